"""Federated learning in which updates are proven, sums are masked, and a stranger can check the run.

    what is agreed on        plan  setting  record
    what is trained          data/  partition  models  federation  seeds
    one client               member  client  update  cheats
    the coordinator          round  checks  sums  groups  aggregate/
    one machine as everybody session  parties  run  rundir  progress  cache
    what is written          publish  ledger  timeline  receipt  report/
    what a stranger does     audit  audit_round  audit_findings
    the command line         cli  doctor

Follow one update: `session` trains it (`federation`), `client` encodes, commits, proves and signs it (`update`), `round`
checks it (`checks`) and has it summed (`sums`, `aggregate/`), `publish` puts commitment, sum and model into block storage
and onto the ledger, `audit` reads them back.

Importing `fl` alone imports neither torch nor a chain; the modules that need them do.
"""
