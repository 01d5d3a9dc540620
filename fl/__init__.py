"""Federated learning in which updates are proven, sums are masked, and a stranger can check the run.

    what is agreed on        plan/  schedule  learning  setting  record
    what is trained          data/  partition  divergence  models/  federation  seeds
    how it is trained        engine/  optim/  compression/  resources  memory  scale/
    what is promised         privacy/  spending
    who is left out          robust/  screening  scores   what attackers do  attacks/  poisoning  cheats
    one client               member  client  update
    the coordinator          round  checks  sums  groups  aggregate/
    servers with shares      shared/: sums and rules, training, inference
    one machine as everybody session  parties  run  rundir  progress  cache
    what is written          publish  ledger  timeline  receipt  report/
    what a stranger does     audit  audit_round  audit_sums  audit_findings
    what is measured         suite/  leakage/  incentives/  baselines/
    the command line         cli  infer_cli  doctor

Follow one update: `session` trains it (`federation`, `engine/`), `client` encodes, adds noise, commits, proves and signs
it (`update`), `round` checks it (`checks`) and has it summed (`sums`, `aggregate/`), `publish` puts commitment, sum and
model into block storage and onto the ledger, `audit` reads them back.

Importing `fl` alone imports neither torch nor a chain; the modules that need them do.
"""
