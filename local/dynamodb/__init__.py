"""DynamoDB in memory: the operations on items that the pipeline uses, and those one looks at a table with.

moto's would do, but for its speed: a result's two updates took 30 ms of a core there and a query 5 ms an item, so that
it was the writing that held back a run at 25 results a second, not Rekognition at 50.

`service` answers the wire. `request` reads what a request says, its expressions by `grammar`; `query` reads tables,
`update` changes items, `declaration` makes the tables of a template.
"""
