"""An invented studio for pictures, benchmarks and trying the pages at size: hosts, shows, users, jobs, failures."""
