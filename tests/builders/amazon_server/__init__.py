"""A local server that plays Amazon's Selling Partner API: authorisation, reports, their documents, and orders.

`scenario` makes the sellers and their orders, a pure function of the days; `reports` writes their documents;
`service` answers requests and records them; `sockets` listens on loopback, and `in_process` answers an httpx client
without sockets, so that a simulated clock works. `models` holds requests and answers to Amazon's own Swagger models.
"""
