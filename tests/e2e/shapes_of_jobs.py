"""Scripts that make jobs and hold them in hand, and what each prints."""

from __future__ import annotations

Shape = tuple[str, list[str]]

MAKING: dict[str, Shape] = {
    "one job, its result read three ways": (
        """
import qb
job = qb.Job()
job['name'] = 'turntable'
job['prototype'] = 'cmdrange'
job['package'] = {}
job['package']['cmdline'] = 'true'
job['agenda'] = qb.genframes('1-4')
job.setdefault('priority', 500)
submitted = qb.submit(job)
for one in submitted:
    print('submitted %(name)s by %(user)s at %(priority)d' % one)
print(submitted[0]['id'] == submitted['id'] == submitted[0].id, len(submitted), 'id' in submitted)
print(type(submitted[0]) is qb.Job, submitted.get('status'), submitted[0].get('nothing', 'default'))
""",
        ["submitted turntable by admin at 500", "True 1 True", "True pending default"],
    ),
    "several jobs, as a list and as arguments": (
        """
import qb
def make(name):
    return {'name': name, 'prototype': 'cmdline', 'package': {'cmdline': 'true'}}
pair = qb.submit([make('left'), make('right')])
more = qb.submit(make('up'), make('down'), deferTableCreation=True)
print([j['name'] for j in pair] + [j['name'] for j in more])
print(len({j['pgrp'] for j in pair}), pair[0]['pgrp'] == pair[0]['id'], pair['pgrp'] != more['pgrp'])
print([type(j['id']) is int for j in pair + more])
""",
        ["['left', 'right', 'up', 'down']", "1 True True", "[True, True, True, True]"],
    ),
    "an agenda by position": (
        """
import qb
number = qb.submit({'name': 'positions', 'prototype': 'cmdrange', 'status': 'blocked',
                    'package': {'cmdline': 'true', 'range': '10-50x10'}})[0]['id']
job = qb.jobinfo(id=number, agenda=True, subjobs=True)[0]
print(job['agenda'][3]['name'], job['agenda'][3]['status'], job['agenda'][3]['id'], len(job['agenda']) == job['todo'])
print(type(job['agenda'][0]) is qb.Work, job.agenda[0].name, job['agenda'][-1]['subid'], job['agenda'][0]['host'] == '')
print(type(job['subjobs'][0]) is qb.Subjob, job['subjobs'][0]['id'], job['subjobs'][0]['pid'] == number)
print('agenda' in qb.jobinfo(id=number)[0], 'agenda' in qb.jobinfo(['agenda'], id=number)[0])
""",
        ["40 pending 3 True", "True 10 -1 True", "True 0 True", "False True"],
    ),
    "objects copied, pickled and written as JSON": (
        """
import copy, json, pickle, qb
number = qb.submit({'name': 'kept', 'prototype': 'cmdrange', 'status': 'blocked',
                    'package': {'cmdline': 'true', 'range': '1-3'}})[0]['id']
jobs = qb.jobinfo(id=number, agenda=True)
twin = copy.deepcopy(jobs[0])
twin['agenda'][0]['name'] = 'another'
print(type(twin) is qb.Job, type(twin['agenda'][0]) is qb.Work, jobs[0]['agenda'][0]['name'])
print(pickle.loads(pickle.dumps(jobs)) == jobs, type(pickle.loads(pickle.dumps(jobs[0]))) is qb.Job)
print([item['name'] for item in json.loads(json.dumps([dict(j) for j in jobs]))[0]['agenda']])
print(repr(qb.Job(name='x')), '%(id)s: %(name)s' % jobs[0] == '%d: kept' % number)
""",
        ["True True 1", "True True", "['1', '2', '3']", "Job({'name': 'x'}) True"],
    ),
    "numbers as text everywhere": (
        """
import qb
job = {'name': 7, 'prototype': 'cmdrange', 'priority': '123', 'cpus': '2', 'retrywork': '1', 'timelimit': '600',
       'status': 'blocked', 'package': {'cmdline': 'true', 'range': '1-4'}}
number = str(qb.submit(job)[0]['id'])
found = qb.jobinfo(id=number)[0]
print([found[key] for key in ('name', 'priority', 'cpus', 'retrywork', 'timelimit')])
print(qb.modify({'priority': '77', 'cpus': '3'}, number) == [int(number)])
print([qb.jobinfo(filters={'id': number, 'priority': '77'})[0][key] for key in ('priority', 'cpus')])
print([w['name'] for w in qb.genchunks('2', '1-4')])
""",
        ["['7', 123, 2, 1, 600]", "True", "[77, 3]", "['1-2', '3-4']"],
    ),
    "keys of a studio's own come back": (
        """
import qb
job = {'name': 'own keys', 'prototype': 'cmdline', 'status': 'blocked', 'ticket': 'ABC-12',
       'review': {'by': ['mira', 3]}, 'prod_show': 'orrery', 'prod_custom1': 'v012',
       'package': {'cmdline': 'true', 'simCmdType': 'nuke', 'nested': {'a': [1, None, True]}}}
found = qb.jobinfo(id=qb.submit(job)[0]['id'])[0]
print(found['ticket'], found['review'], found['prod_show'], found['prod_custom1'])
print(found['package'] == job['package'], found['package']['nested']['a'])
again = qb.jobinfo(id=qb.submit(found)[0]['id'])[0]
print(again['id'] != found['id'], again['ticket'], again['package'] == job['package'])
""",
        ["ABC-12 {'by': ['mira', 3]} orrery v012", "True [1, None, True]", "True ABC-12 True"],
    ),
    "flags in each of their spellings": (
        """
import qb
def flags(**how):
    job = {'name': 'flags', 'prototype': 'cmdline', 'status': 'blocked', 'package': {'cmdline': 'true'}}
    job.update(how)
    found = qb.jobinfo(id=qb.submit(job)[0]['id'])[0]
    return found['flags'], sorted(found['flagsstring'].split(','))
print(flags() == (8, ['auto_mount']))
print(flags(flags=4104) == flags(flags='4104') == flags(flags='auto_mount,disable_cpu_limit'))
print(flags(flagsstring='auto_mount, disable_cpu_limit') == (4104, ['auto_mount', 'disable_cpu_limit']))
""",
        ["True", "True", "True"],
    ),
    "ids in each of their forms": (
        """
import qb
jobs = qb.submit([{'name': 'ids %d' % n, 'prototype': 'cmdrange', 'cpus': 2, 'status': 'blocked',
                   'package': {'cmdline': 'true', 'range': '1-3'}} for n in (1, 2)])
a, b = jobs[0]['id'], jobs[1]['id']
whole = qb.jobinfo(id=[a, b], agenda=True, subjobs=True)
print(qb.kill('%d.0' % a) == ['%d.0' % a])
print(qb.kill(whole[0]['subjobs'][1]) == ['%d.1' % a])
print(qb.kill([b, str(a)]) == ['%d.0' % b, '%d.1' % b])
print(qb.retrywork('%d:1' % b, whole[1]['agenda'][1]) == ['%d:1' % b, '%d:2' % b])
print([j['id'] for j in qb.jobinfo(id='%d,%d' % (a, b))] == [a, b], qb.jobinfo(id=jobs[0])[0]['id'] == a)
print(qb.remove(jobs) == [a, b], qb.remove(a), qb.kill(10 ** 9), qb.jobinfo(id=[a, b]), qb.kill([]))
""",
        ["True", "True", "True", "True", "True True", "True [] [] [] []"],
    ),
    "a job file kept and submitted again": (
        """
import qb
job = qb.jobinfo(id=qb.submit({'name': 'kept', 'prototype': 'cmdrange', 'status': 'blocked', 'ticket': 5,
                               'package': {'cmdline': 'true', 'range': '1-9x4'}})[0]['id'], agenda=True)[0]
for form in (qb.QB_API_XML, qb.QB_API_BINARY):
    print(qb.archivejob('kept.job', job, form) > 0, qb.recoverjob('kept.job') == job)
template = qb.recoverjob('kept.job')
template['name'] = 'again'
again = qb.jobinfo(id=qb.submit(template)[0]['id'], agenda=True)[0]
print(again['name'], again['ticket'], [w['name'] for w in again['agenda']], again['pgrp'] == again['id'] != job['id'])
print(qb.recoverjob('missing.xml'), 'missing.xml' in qb.error())
""",
        ["True True", "True True", "again 5 ['1', '5', '9'] True", "None True"],
    ),
    "from threads and from forked processes": (
        """
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
import qb
def one(number):
    job = qb.submit({'name': 'many %d' % number, 'prototype': 'cmdline', 'status': 'blocked',
                     'package': {'cmdline': 'true'}})[0]
    killed = qb.kill(job['id']) == ['%d.0' % job['id']]
    found = qb.jobinfo(id=job['id'])[0]
    return killed, found['id'] == job['id'], found['name'] == 'many %d' % number, found['status'], found['id']
first = one(0)
with ThreadPoolExecutor(6) as pool:
    rows = [first, *pool.map(one, range(1, 13))]
with get_context('fork').Pool(4) as pool:
    rows += pool.map(one, range(13, 25), 1)
print({row[:4] for row in rows}, len({row[4] for row in rows}))
""",
        ["{(True, True, True, 'killed')} 25"],
    ),
}
