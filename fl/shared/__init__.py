"""Computing on what nobody holds: shared updates, shared data, shared inputs.

servers of a round, which add updates and judge them without seeing one (`fl.aggregate.shares` is the mode)
    form        how an update and its blindings are split among the servers, and put together again
    screening   what the servers check before they add: norms, the cone test; what that reveals
    statement   a server's signed part of a sum: evidence for an auditor
    servers     a server's side of a round; the dealer's, where there is one

training on data that is itself shared
    fixed       where the binary point is, how large numbers may be
    models      a step of gradient descent on shares
    training    epochs among two parties and a dealer, or three parties

inference
    inference   client, owner, servers and dealer
    requests    the same as a paid request on the ledger
    serving     the model of a run, and one machine in all roles
    by_file     each role from a file, for `eppml party`

tensors         shares as CrypTen's tensors and back
dry             which triples a protocol will take
"""
