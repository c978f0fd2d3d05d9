"""Scripts that watch jobs run, ask for them, and are told what is wrong; and what each prints."""

from __future__ import annotations

from tests.e2e.shapes_of_jobs import Shape

RUNNING: dict[str, Shape] = {
    "submit and wait": (
        """
import sys, time, qb
job = qb.submit({'name': 'render', 'prototype': 'cmdrange', 'cpus': 2,
                 'package': {'range': '1-4', 'cmdline': 'echo frame QB_FRAME_NUMBER'}})[0]
until = time.time() + 40
while True:
    job = qb.jobinfo(id=job['id'])[0]
    if job['status'] in ('complete', 'failed', 'killed') or time.time() > until:
        break
    time.sleep(0.1)
print(job['status'], job['todotally']['complete'], job['cpustally']['complete'])
print(job['timecomplete'] >= job['timestart'] > qb.QB_TIME_EPOCH_OFFSET)
""",
        ["complete 4 2", "True"],
    ),
    "steps that depend on each other's labels": (
        """
import qb
def step(label, dependency=''):
    package = {'cmdline': 'true'}
    return {'name': label, 'label': label, 'dependency': dependency, 'prototype': 'cmdline', 'package': package}
comp = step('comp', 'link-complete-job-render,done-job-sim')
jobs = qb.submit([comp, step('render', 'link-complete-job-sim'), step('sim')])
comp, render, sim = qb.waitfor(jobs, timeout=40)
print([job['status'] for job in (sim, render, comp)])
print(sim['timecomplete'] <= render['timestart'], render['timecomplete'] <= comp['timestart'])
""",
        ["['complete', 'complete', 'complete']", "True True"],
    ),
    "what failed is mended and done again": (
        """
import os, qb
job = qb.submit({'name': 'mended', 'prototype': 'cmdrange', 'cwd': os.getcwd(),
                 'package': {'range': '1-3', 'cmdline': 'test QB_FRAME_NUMBER != 2 || test -e texture'}})[0]
print(qb.waitfor(job, timeout=40)[0]['status'])
agenda = qb.jobinfo(id=job['id'], agenda=True)[0]['agenda']
failed = ['%d:%s' % (job['id'], work['name']) for work in agenda if work['status'] == 'failed']
print([one.split(':')[1] for one in failed])
open('texture', 'w').close()
print(qb.retrywork(failed) == failed, qb.waitfor(job, timeout=40)[0]['status'])
print(qb.requeue(job['id']) == ['%d.0' % job['id']], qb.jobinfo(id=job['id'])[0]['status'])
print(len(qb.unblock(job['id'])), qb.waitfor(job, timeout=40)[0]['todotally']['complete'])
""",
        ["failed", "['2']", "True complete", "True blocked", "1 3"],
    ),
    "logs by subjob": (
        """
import time, qb
job = qb.submit({'name': 'logs', 'prototype': 'cmdrange', 'cpus': 2, 'package': {
    'range': '1-2', 'cmdline': 'echo out QB_FRAME_NUMBER; echo err QB_FRAME_NUMBER >&2; sleep 0.5'}})[0]
qb.waitfor(job, timeout=40)
until = time.time() + 20
while sum(row['fullsize'] for row in qb.log(job['id'])) < 24 and time.time() < until:
    time.sleep(0.1)
rows = qb.stdout(job['id'])
print([(row['jobid'] == job['id'], row['subid']) for row in rows])
print(sorted(line for row in rows for line in row['data'].splitlines()))
print(sorted(line for row in qb.stderr(job) for line in row['data'].split('\\n') if line))
(first,) = qb.stdout('%d.0' % job['id'])
print(first['data'] == rows[0]['data'], qb.stdout('%d.0' % job['id'], pos=4, len=1)[0]['data'] == first['data'][4:5])
print(len(qb.log(job['id'])), qb.stdout(10 ** 9))
""",
        ["[(True, 0), (True, 1)]", "['out 1', 'out 2']", "['err 1', 'err 2']", "True True", "2 []"],
    ),
    "the programs of a job know where they are": (
        """
import qb
command = 'python3 -c "import os; print(os.environ[\\'QBJOBID\\'], os.environ[\\'QBSUBID\\'], os.environ[\\'SHOW\\'])"'
job = qb.submit({'name': 'inside', 'prototype': 'cmdrange', 'env': {'SHOW': 'orrery'},
                 'package': {'range': '5', 'padding': 4,
                             'cmdline': command + ' && echo QB_FRAME_NUMBER QB_FRAME_RANGE'}})[0]
print(qb.waitfor(job, timeout=40)[0]['status'])
text = qb.stdout(job)[0]['data'].split()
print(text == [str(job['id']), '0', 'orrery', '0005', '5'])
""",
        ["complete", "True"],
    ),
    "a callback lets the next step go": (
        """
import qb
go = qb.Callback({'triggers': ['complete-job-render'], 'language': 'qube', 'code': 'unblock-self'})
def step(label, **more):
    return dict({'name': label, 'label': label, 'prototype': 'cmdline', 'package': {'cmdline': 'true'}}, **more)
jobs = qb.submit([step('render'), step('publish', status='blocked', callbacks=[go])])
print([job['status'] for job in qb.waitfor(jobs, timeout=40)])
(kept,) = qb.jobinfo(id=jobs[1]['id'], callbacks=True)[0]['callbacks']
print(type(kept) is qb.Callback, kept['language'], kept['code'], kept['count'])
""",
        ["['complete', 'complete']", "True qube unblock-self 1"],
    ),
    "a job that needs a licence": (
        """
import qb
print(qb.updateresources({'license.shape': 0})['license.shape'])
job = qb.submit({'name': 'licensed', 'prototype': 'cmdline', 'package': {'cmdline': 'true'},
                 'reservations': 'host.processors=1,license.shape=1'})[0]
print(qb.waitfor(job, timeout=1)[0]['status'], qb.hostorder(job['id']))
qb.updateresources('license.shape=1')
print(qb.waitfor(job, timeout=40)[0]['status'], qb.getresources()['license.shape']['total'])
print('license.shape' in qb.updateresources({'license.shape': None}))
""",
        ["{'total': 0, 'used': 0, 'avail': 0}", "pending []", "complete 1", "False"],
    ),
    "a host is locked while somebody works on it": (
        """
import qb
(host,) = qb.hostinfo(state='active')
print(qb.workerlock(name=host['name'], lock=True) == [host['name']], len(qb.hostinfo(state='locked')))
job = qb.submit({'name': 'later', 'prototype': 'cmdline', 'package': {'cmdline': 'true'}})[0]
print(qb.waitfor(job, timeout=1)[0]['status'], qb.joborder(host['name']), qb.workorder(host['name']))
print(qb.workerlock(host['name'], lock=False) == [host['name']], qb.waitfor(job, timeout=40)[0]['status'])
""",
        ["True 1", "pending [] []", "True complete"],
    ),
}

ASKING: dict[str, Shape] = {
    "filters": (
        """
import qb
def make(name, **more):
    return dict({'name': name, 'prototype': 'cmdline', 'status': 'blocked', 'package': {'cmdline': 'true'}}, **more)
first = make('asked_a', priority=10, prod_show='orrery')
qb.submit([first, make('asked_b', priority=30), make('asked_c', priority=20)])
def names(*args, **kwargs):
    return [job['name'] for job in qb.jobinfo(*args, **kwargs)]
all_three = names(filters={'name': 'asked_*'})
print(all_three, names(filters={'name': 'asked%'}) == names(filters={'name': ['a*d_a', 'asked_b', '%c']}) == all_three)
print(names(filters={'name': '~^asked_(a|c)$'}), names(filters={'name': ['asked_b', 'asked_c'], 'user': 'admin'}))
print(names(filters={'name': 'asked_*', 'status': ['blocked', 'failed']}, orderby='priority DESC', limit=2))
print(names(filters={'name': 'asked_*'}, status='running'), names(filters={'name': 'asked_*', 'priority': '20'}))
print(qb.jobtagvalues('prod_show').count('orrery'), names(filters={'name': 'nobody', 'id': 1}))
""",
        [
            "['asked_a', 'asked_b', 'asked_c'] True",
            "['asked_a', 'asked_c'] ['asked_b', 'asked_c']",
            "['asked_b', 'asked_c']",
            "[] ['asked_c']",
            "1 []",
        ],
    ),
    "times as unix seconds, text, datetime and date": (
        """
import datetime, time, qb
job = {'name': 'when', 'prototype': 'cmdline', 'status': 'blocked', 'package': {'cmdline': 'true'}}
number = qb.submit(job)[0]['id']
now = datetime.datetime.now()
hour = datetime.timedelta(hours=1)
def found(**when):
    return number in [job['id'] for job in qb.jobinfo(minid=number, maxid=number, **when)]
print(found(submittedAfter=time.time() - 60), found(submittedAfter=str(int(time.time()) - 60)))
print(found(submittedAfter=now - hour, submittedBefore=now + hour), found(submittedBefore=now - hour))
print(found(updatedAfter=now.date()), found(updatedBefore=datetime.date(2001, 1, 1)), found(submittedAfter=now + hour))
job = qb.jobinfo(id=number)[0]
print(datetime.datetime.fromtimestamp(job['timesubmit']) - now < hour, job['timestart'] == qb.QB_TIME_EPOCH_OFFSET)
""",
        ["True True", "True False", "True False False", "True True"],
    ),
    "hosts and their resources": (
        """
import qb
(host,) = qb.hostinfo(state='active')
resources = dict(pair.split('=') for pair in host['resources'].split(','))
used, total = resources['host.processors'].split('/')
print(int(used) <= int(total), type(host) is qb.Host, 'cmdrange' in str(host['jobtypes']), host['locks'] in ('', None))
print([h['name'] for h in qb.workerinfo(name=host['name'])] == [host['name']], 'subjobs' in host)
print(qb.hostinfo(name='nobody'), qb.workerinfo(state=['down', 'panic']))
""",
        ["True True True True", "True False", "[] []"],
    ),
    "history": (
        """
import qb
job = qb.submit({'name': 'told', 'prototype': 'cmdline', 'status': 'blocked', 'package': {'cmdline': 'true'}})[0]
qb.modify({'priority': 5}, job['id'])
qb.kill(job['id'])
rows = qb.hist(job['id'])
for row in rows:
    assert '%(stamp)s %(jobid)d %(subid)d %(workid)d %(comment)s' % row
print([row['comment'].split(': ')[1] for row in rows if row['comment'].startswith('admin')])
""",
        ["['submit', 'modify', 'kill']"],
    ),
    "errors are sentences": (
        """
import qb
def refused(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except qb.QubeError as error:
        return type(error).__name__, str(error) == qb.error(), str(error)
print(refused(qb.submit, {'name': 'x', 'package': {'cmdline': 'true'}})[:2], 'needs a prototype' in qb.error())
job = {'prototype': 'cmdrange', 'package': {'range': '1-', 'cmdline': 'true'}}
print(refused(qb.submit, job)[:2], 'range' in qb.error())
print(refused(qb.jobinfo, filters={'nmae': 'x'})[:2], 'nmae' in qb.error())
print(refused(qb.modify, {'colour': 'red'}, 1)[:2], 'colour' in qb.error())
print(refused(qb.kill, 'one')[:2], 'one' in qb.error())
""",
        [
            "('Invalid', True) True",
            "('BadRange', True) True",
            "('Invalid', True) True",
            "('Invalid', True) True",
            "('BadId', True) True",
        ],
    ),
}
