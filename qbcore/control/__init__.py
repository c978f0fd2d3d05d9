"""The writer of status: conditional changes of work, subjobs and jobs, each with its delta."""
