"""Small order files of Etsy and Shopify, the kit's own orders CSV, and the export of a made-up hub."""

from __future__ import annotations

from tests.builders.raw_files import tiny

ETSY_1, ETSY_2, ETSY_3, ETSY_4 = "3000000001", "3000000002", "3000000003", "3000000004"

# ruff: noqa: E501 - tables of cells are wider than lines of code

ETSY_ORDERS = tiny(
    "etsy_orders",
    "Etsy sold orders CSV",
    f"""
    Sale Date | Order ID | Buyer User ID | Full Name | First Name | Last Name | Number of Items | Payment Method | Date Shipped | Street 1 | Street 2 | Ship City | Ship State | Ship Zipcode | Ship Country | Currency | Order Value | Coupon Code | Order Total | Status | Order Net | Buyer | Order Type | Payment Type | InPerson Discount | InPerson Location | SKU
    10/01/26 | {ETSY_1} | X | X | X | X | 2 | Credit Card | 10/02/26 | X | X | X | OR | X | United States | USD | 20.00 | | 20.00 | Shipped   | 19.00 | X | online | online_cc | | | "A-1,B-2"
    10/03/26 | {ETSY_2} | X | X | X | X | 1 | Credit Card | 10/09/26 | X | X | X | OR | X | United States | USD | 20.00 | | 20.00 | Paid      | 19.00 | X | online | online_cc | | | A-1
    10/05/26 | {ETSY_3} | X | X | X | X | 1 | Credit Card |          | X | X | X | OR | X | United States | USD | 20.00 | | 20.00 | Canceled  | 19.00 | X | online | online_cc | | | A-1
    10/07/26 | {ETSY_4} | X | X | X | X | 1 | Credit Card |          | X | X | X |    | X | Germany       | EUR | 20.00 | | 20.00 | Paid      | 19.00 | X | online | online_cc | | | A-1
    """,
    delimiter=",",
    id_column="Order ID",
    date_column="Sale Date",
    needed="Number of Items",
    impossible_date="02/30/26",
    name="EtsySoldOrders2026-10.csv",
    personal=(
        "Buyer User ID", "Full Name", "First Name", "Last Name", "Street 1", "Street 2", "Ship City", "Ship Zipcode",
        "Buyer",
    ),
)  # fmt: skip
ETSY_ITEMS = tiny(
    "etsy_items",
    "Etsy sold order items CSV",
    f"""
    Sale Date | Item Name | Buyer | Quantity | Price | Item Total | Currency | Transaction ID | Listing ID | Date Paid | Date Shipped | Ship Name | Ship Address1 | Ship Address2 | Ship City | Ship State | Ship Zipcode | Ship Country | Order ID | Variations | Order Type | Listings Type | Payment Type | SKU
    10/01/26 | Blue mug | X | 1 | 10.00 | 10.00 | USD | 4001 | 91 | 10/01/26 | 10/02/26 | X | X | X | X | OR | X | United States | {ETSY_1} | X | online | listing | cc | A-1
    10/01/26 | Bowl     | X | 1 | 10.00 | 10.00 | USD | 4002 | 92 | 10/01/26 | 10/02/26 | X | X | X | X | OR | X | United States | {ETSY_1} | X | online | listing | cc | B-2
    10/03/26 | Blue mug | X | 1 | 20.00 | 20.00 | USD | 4003 | 91 | 10/03/26 | 10/09/26 | X | X | X | X | OR | X | United States | {ETSY_2} | X | online | listing | cc | A-1
    10/05/26 | Blue mug | X | 1 | 20.00 | 20.00 | USD | 4004 | 91 | 10/05/26 |          | X | X | X | X | OR | X | United States | {ETSY_3} | X | online | listing | cc | A-1
    """,
    delimiter=",",
    id_column="Order ID",
    date_column="Date Shipped",
    needed="Transaction ID",
    impossible_date="02/30/26",
    name="EtsySoldOrderItems2026-10.csv",
    personal=("Buyer", "Ship Name", "Ship Address1", "Ship Address2", "Ship City", "Ship Zipcode", "Variations"),
)
ETSY_STAR = tiny(
    "etsy_star_seller",
    "Etsy Star Seller shipping CSV",
    f"""
    Order number | Buyer name | Had processing time? | Ship by | Tracking/label date | Shipped on time?
    {ETSY_1} | X | Yes | 10/05/2026 | 10/02/2026 | Yes
    {ETSY_2} | X | Yes | 10/07/2026 | 10/09/2026 | No
    """,
    delimiter=",",
    id_column="Order number",
    date_column="Ship by",
    needed="Tracking/label date",
    impossible_date="02/30/2026",
    name="star_seller.csv",
    personal=("Buyer name",),
)
SHOPIFY = tiny(
    "shopify_orders",
    "Shopify orders CSV",
    """
    Name | Email | Financial Status | Paid at | Fulfillment Status | Fulfilled at | Currency | Total | Shipping Method | Created at | Lineitem quantity | Lineitem name | Lineitem price | Lineitem sku | Lineitem fulfillment status | Billing Name | Billing Street | Billing Phone | Shipping Name | Shipping Address1 | Shipping City | Shipping Zip | Shipping Province | Shipping Country | Shipping Phone | Notes | Note Attributes | Cancelled at | Payment Reference | Refunded Amount | Id | Tags | Source
    #1001 | X | paid   | 2026-10-01 10:00:00 +0200 | fulfilled   | 2026-10-02 09:00:00 +0200 | EUR | 30 | Standard | 2026-10-01 09:59:00 +0200 | 1 | Mug  | 10 | MUG  | fulfilled | X | X | X | X | X | X | X | BE | DE | X | X | X |                           | X | 0 | 5001 | X | ebay
    #1001 | X |        |                           |             |                           |     |    |          |                           | 2 | Bowl | 10 | BOWL | fulfilled |   |   |   |   |   |   |   |    |    |   |   |   |                           |   |   |      |   |
    #1002 | X | voided |                           | unfulfilled |                           | EUR | 10 | Standard | 2026-10-03 09:59:00 +0200 | 1 | Mug  | 10 | MUG  | pending   | X | X | X | X | X | X | X | BE | DE | X | X | X | 2026-10-04 10:00:00 +0200 | X | 0 | 5002 | X | Etsy
    #1003 | X | paid   | 2026-10-05 10:00:00 +0200 | unfulfilled |                           | EUR | 20 | Standard | 2026-10-05 09:59:00 +0200 | 1 | Mug  | 10 | MUG  | pending   | X | X | X | X | X | X | X | BE | DE | X | X | X |                           | X | 0 | 5003 | X | web
    #1003 | X |        |                           |             |                           |     |    |          |                           | 1 | Bowl | 10 | BOWL | pending   |   |   |   |   |   |   |   |    |    |   |   |   |                           |   |   |      |   |
    #1004 | X | paid   | 2026-10-05 10:00:00 +0200 | unfulfilled |                           | EUR | 10 | Standard | 2026-10-05 09:59:00 +0200 | 1 | Mug  | 10 | MUG  | pending   | X | X | X | X | X | X | X | BE | DE | X | X | X |                           | X | 0 | 5004 | X | amazon
    """,
    delimiter=",",
    id_column="Name",
    date_column="Created at",
    needed="Source",
    impossible_date="2026-02-30 10:00:00 +0200",
    name="orders_export.csv",
    personal=(
        "Email", "Billing Name", "Billing Street", "Billing Phone", "Shipping Name", "Shipping Address1", "Shipping City",
        "Shipping Zip", "Shipping Phone", "Notes", "Note Attributes", "Payment Reference", "Tags",
    ),
)  # fmt: skip
OWN_ORDERS = tiny(
    "orders_csv",
    "orders CSV",
    """
    order-id | ordered-at | marketplace | channel | status | ship-by | deliver-by | shipped-at | delivered-at | cancelled-at | cancelled-by | invoiced-at | item-id | units | sku | asin | product | tracking | carrier | ship-method | country | state | is-business | is-premium | updated-at
    A-1 | 2026-10-01T09:30:00Z | EBAY | seller | delivered | 2026-10-03 | 2026-10-08 | 2026-10-02T15:00:00Z | 2026-10-06T10:00:00Z |            |       |            | 1 | 2 | MUG  |  | Mug  | JD1 | DHL | Standard | DE | BE | no  | no | 2026-10-07T00:00:00Z
    A-1 | 2026-10-01T09:30:00Z | EBAY | seller | cancelled | 2026-10-03 | 2026-10-08 |                      |                      | 2026-10-02 | buyer |            | 2 | 1 | BOWL |  | Bowl |     |     | Standard | DE | BE | no  | no | 2026-10-07T00:00:00Z
    A-2 | 2026-10-02T09:30:00Z | ETSY | seller | shipped   | 2026-10-04 |            | 2026-10-06T15:00:00Z |                      |            |       |            |   | 1 | MUG  |  | Mug  |     | DHL | Standard | DE | BE | no  | no | 2026-10-07T00:00:00Z
    A-3 | 2026-10-03T09:30:00Z | EBAY | seller | open      | 2026-10-09 |            |                      |                      |            |       |            |   | 1 | MUG  |  | Mug  |     |     | Standard | DE | BE | no  | no | 2026-10-07T00:00:00Z
    305-0000001-0000001 | 2026-10-04T09:30:00Z | Amazon.de | seller | cancelled | 2026-10-06 | |      |                      | 2026-10-05 | seller | 2026-10-04 |  | 1 | MUG  | B0 | Mug |    |     | Standard | DE | BE | yes | no | 2026-10-07T00:00:00Z
    """,
    delimiter=",",
    id_column="order-id",
    date_column="ship-by",
    needed="marketplace",
    impossible_date="2026-02-30",
    name="orders.csv",
)
HUB = """\
Internal Ref;Channel Order ID;Placed on;Sales Channel;State;Customer name;Qty;Article No;Dispatch deadline;Dispatched on;Parcel number;Courier
H-1;A-1;31.10.2026 09:30;eBay DE;Versendet;Persona Privata;1;M-1;02.11.2026;01.11.2026 10:00;JJD1;DHL
H-2;A-2;31.10.2026 10:30;Etsy;Storniert;Persona Privata;1;M-1;02.11.2026;;;
H-3;A-3;31.10.2026 11:30;My shop;Neu;Persona Privata;1;M-1;02.11.2026;;;
H-4;A-4;31.10.2026 12:30;eBay DE;Neu;Persona Privata;1;M-1;02.11.2026;;;
"""
"""The export of a made-up hub, whose header no file that the kit knows has."""
FILES = (ETSY_ORDERS, ETSY_ITEMS, ETSY_STAR, SHOPIFY, OWN_ORDERS)
