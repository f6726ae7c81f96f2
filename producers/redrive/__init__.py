"""Redrive: what the dead-letter queues and failure destinations hold, in words, and back into where it came from.

    letter          one thing that lies there, and the requests in it
    letter_queue    letters in an SQS queue           failure_bucket   letters in a bucket, with a journal beside them
    shard_reader    records of a stream, once more    place            one destination: where its letters lie and go
    choice          which requests are meant          listing          what there is
    replay          sends and removes                 words            both for a reader
    target          a stack on AWS or on this machine command          `forebay redrive`

A request is sent, then noted, then its letter removed; never the other way round. Where a replay ends in between,
the next finds it by its result, which the results table has, or in the journal, and sends it again only if neither
knows it. So nothing is lost, and what can be sent twice is what was in hand at that moment. The first result of a
request stands, whatever comes after it.

Not SQS's own StartMessageMoveTask: it knows neither a choice nor results, takes no FIFO queue, and moves what is no
request of ours.
"""
