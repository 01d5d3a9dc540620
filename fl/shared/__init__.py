"""Servers that compute on what clients share with them: nobody but the servers together sees an update.

    form        how an update and its blindings are split among the servers, and put together again
    screening   what the servers check before they add: norms, the cone test; what that reveals
    statement   a server's signed part of a sum: evidence for an auditor
    servers     a server's side of a round; the dealer's, where there is one

`fl.aggregate.shares` is the aggregation mode made of these.
"""
