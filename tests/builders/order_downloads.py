"""Orders as the two versions of the Orders API return them."""

from __future__ import annotations

from typing import Any

from tests.builders.raw_files import FIRST, MARK

US, DE = "ATVPDKIKX0DER", "A1PA6795UKMFR9"


def order_v0(order: str = FIRST, **cells: Any) -> dict[str, Any]:
    """An order of Amazon US as version 0 has it, shipped by the seller unless told otherwise."""
    told = {
        "AmazonOrderId": order, "PurchaseDate": "2026-03-02T04:00:00Z", "LastUpdateDate": "2026-03-04T04:00:00Z",
        "OrderStatus": "Shipped", "FulfillmentChannel": "MFN", "SalesChannel": "Amazon.com", "MarketplaceId": US,
        "ShipmentServiceLevelCategory": "Standard", "LatestShipDate": "2026-03-04T07:59:59Z",
        "LatestDeliveryDate": "2026-03-08T07:59:59Z", "NumberOfItemsShipped": 2, "NumberOfItemsUnshipped": 1,
        "IsBusinessOrder": True, "IsPrime": False, "IsPremiumOrder": False,
        "ShippingAddress": {
            "Name": MARK, "AddressLine1": MARK, "City": MARK, "StateOrRegion": "wa", "CountryCode": "US",
        },
        "BuyerInfo": {"BuyerEmail": MARK, "BuyerName": MARK},
    }  # fmt: skip
    return {name: value for name, value in (told | cells).items() if value != "left out"}


def items_v0(order: str = FIRST, *asked: str) -> dict[str, Any]:
    """A page of an order's items, one for each answer to whether the buyer asked to cancel it."""
    items = [
        {
            "OrderItemId": f"5{number}", "SellerSKU": f"S-{number}", "ASIN": f"B{number}", "Title": "Stand",
            "QuantityOrdered": number,
            "BuyerRequestedCancel": {"IsBuyerRequestedCancel": one, "BuyerCancelReason": MARK},
        }
        for number, one in enumerate(asked, 1)
    ]  # fmt: skip
    return {"payload": {"AmazonOrderId": order, "OrderItems": items}}


def order_2026(order: str = FIRST, **cells: Any) -> dict[str, Any]:
    """An order of Amazon US as version 2026-01-01 has it: one item, one parcel on its way."""
    told = {
        "orderId": order, "createdTime": "2026-03-02T04:00:00Z", "lastUpdatedTime": "2026-03-05T04:00:00Z",
        "programs": ["PRIME", "AMAZON_BUSINESS"],
        "salesChannel": {"channelName": "AMAZON", "marketplaceId": US, "marketplaceName": "Amazon.com"},
        "buyer": {"buyerName": MARK, "buyerEmail": MARK},
        "recipient": {
            "deliveryAddress": {"name": MARK, "addressLine1": MARK, "stateOrRegion": "WA", "countryCode": "US"},
        },
        "fulfillment": {
            "fulfillmentStatus": "SHIPPED", "fulfilledBy": "MERCHANT", "fulfillmentServiceLevel": "STANDARD",
            "shipByWindow": {"latestDateTime": "2026-03-04T07:59:59Z"},
            "deliverByWindow": {"latestDateTime": "2026-03-08T07:59:59Z"},
        },
        "orderItems": [item_2026()],
        "packages": [parcel_2026()],
    }  # fmt: skip
    return {name: value for name, value in (told | cells).items() if value != "left out"}


def item_2026(number: int = 1, by: str | None = None, requester: str | None = None) -> dict[str, Any]:
    item = {
        "orderItemId": f"5{number}", "quantityOrdered": number,
        "product": {"asin": f"B{number}", "title": "Stand", "sellerSku": f"S-{number}"},
    }  # fmt: skip
    cancellation = {"cancellationExecution": {"cancelledBy": by, "cancelReason": MARK}} if by else {}
    cancellation |= {"cancellationRequest": {"requester": requester, "cancelReason": MARK}} if requester else {}
    return item | ({"cancellation": cancellation} if cancellation else {})


def parcel_2026(state: str = "IN_TRANSIT", **cells: Any) -> dict[str, Any]:
    told = {
        "packageReferenceId": "P1", "createdTime": "2026-03-03T04:00:00Z", "carrier": "UPS",
        "shippingService": "UPS Ground", "trackingNumber": "1Z999", "packageStatus": {"status": state},
        "shipFromAddress": {"name": MARK}, "packageItems": [{"orderItemId": "51", "quantity": 2}],
    }  # fmt: skip
    return {name: value for name, value in (told | cells).items() if value != "left out"}
