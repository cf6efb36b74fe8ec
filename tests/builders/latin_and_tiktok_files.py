"""Small files of TikTok Shop and Mercado Libre, with every column of theirs; the personal ones hold a marker."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pyarrow.parquet as pq

from tests.builders.raw_files import MARK, Tiny

TIKTOK_COLUMNS = (
    "Order ID", "Order Status", "Order Substatus", "Cancelation/Return Type", "Normal or Pre-order", "SKU ID",
    "Seller SKU", "Product Name", "Variation", "Quantity", "Sku Quantity of return", "SKU Unit Original Price",
    "SKU Subtotal Before Discount", "SKU Platform Discount", "SKU Seller Discount", "SKU Subtotal After Discount",
    "Shipping Fee After Discount", "Original Shipping Fee", "Shipping Fee Seller Discount",
    "Shipping Fee Platform Discount", "Payment platform discount", "Taxes", "Small Order Fee", "Order Amount",
    "Order Refund Amount", "Created Time", "Paid Time", "RTS Time", "Shipped Time", "Delivered Time", "Cancelled Time",
    "Cancel By", "Cancel Reason", "Fulfillment Type", "Warehouse Name", "Tracking ID", "Delivery Option",
    "Shipping Provider Name", "Buyer Message", "Buyer Username", "Recipient", "Phone #", "Zipcode", "Country",
    "Province", "District", "Detail Address", "Additional address information", "Payment Method", "Weight(kg)",
    "Product Category", "Package ID", "Seller Note", "Checked Status", "Checked Marked by", "Creator Handle",
)  # fmt: skip
TIKTOK_PERSONAL = (
    "Buyer Message", "Buyer Username", "Recipient", "Phone #", "Zipcode", "District", "Detail Address",
    "Additional address information", "Seller Note", "Checked Marked by", "Creator Handle", "Cancel Reason",
)  # fmt: skip
SALES_COLUMNS = (
    "# de venta", "Fecha de venta", "Estado", "Descripción del estado", "Paquete de varios productos",
    "Pertenece a un kit", "Unidades", "Ingresos por productos (MXN)", "Total (MXN)", "SKU", "# de publicación",
    "Canal de venta", "Título de la publicación", "Variante", "Datos personales o de empresa",
    "Tipo y número de documento", "Dirección", "Comprador", "Cédula", "Domicilio", "Ciudad", "Estado", "Código postal",
    "País", "Forma de entrega", "Fecha en camino", "Fecha entregado", "Transportista", "Número de seguimiento",
    "URL de seguimiento", "Unidades", "Forma de entrega", "Fecha en camino", "Fecha entregado", "Transportista",
    "Número de seguimiento", "URL de seguimiento", "Resultado", "Unidades", "Reclamo abierto", "Reclamo cerrado",
    "Con mediación",
)  # fmt: skip
SALES_PERSONAL = (
    "Datos personales o de empresa", "Tipo y número de documento", "Dirección", "Comprador", "Cédula", "Domicilio",
    "Ciudad", "Código postal", "URL de seguimiento", "Descripción del estado",
)  # fmt: skip
PORTUGUESE = {
    "# de venta": "N.º de venda", "Fecha de venta": "Data da venda", "Descripción del estado": "Descrição do status",
    "Paquete de varios productos": "Pacote de diversos produtos", "# de publicación": "# de anúncio",
    "Título de la publicación": "Título do anúncio", "Fecha en camino": "Data a caminho",
    "Fecha entregado": "Data de entrega", "Transportista": "Motorista",
    "Número de seguimiento": "Número de rastreamento", "URL de seguimiento": "URL de acompanhamento",
    "Reclamo abierto": "Reclamação aberta", "Reclamo cerrado": "Reclamação encerrada", "Con mediación": "Em mediação",
}  # fmt: skip


def stored_text(store: Path) -> str:
    """All that a store holds on disk, its tables unpacked."""
    texts = []
    for path in sorted(one for one in store.rglob("*") if one.is_file()):
        texts.append(path.read_bytes().decode("utf-8", "replace"))
        if path.suffix == ".parquet":
            texts.append(str(pq.read_table(path).to_pylist()))
    return "\n".join(texts)


def tiktok_row(number: int, **cells: str) -> list[str]:
    """A row of a delivered order, with other cells by their column, underscores for blanks."""
    row = dict.fromkeys(TIKTOK_COLUMNS, "") | dict.fromkeys(TIKTOK_PERSONAL, MARK)
    row |= {
        "Order ID": f"{576_460_000_000_000_000 + number}\t", "Order Status": "Completed", "Seller SKU": "CUP-1",
        "Product Name": "Cup", "Quantity": "1", "Created Time": "20/10/2026 10:00:00\t",
        "Shipped Time": "21/10/2026 10:00:00\t", "Delivered Time": "23/10/2026 10:00:00\t",
        "Fulfillment Type": "Fulfillment by seller", "Tracking ID": "TRACK-1", "Country": "Indonesia",
    }  # fmt: skip
    return list((row | {name.replace("_", " "): cell for name, cell in cells.items()}).values())


def tiktok_csv(*rows: Sequence[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows([TIKTOK_COLUMNS, *rows])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def sales_row(number: int, ordered: str, status: str, **cells: str) -> list[str]:
    """A row of the sales report; the second and third columns of a name stay empty, but for `Estado`."""
    values = dict.fromkeys(SALES_PERSONAL, MARK) | {
        "# de venta": str(2_000_000_000_000_000 + number), "Fecha de venta": ordered, "Unidades": "1", "SKU": "CUP-1",
        "Título de la publicación": "Cup", "País": "México", "Forma de entrega": "Mercado Envíos",
        "Número de seguimiento": "TRACK-1", "Reclamo abierto": "No", "Reclamo cerrado": "No", "Con mediación": "No",
    }  # fmt: skip
    values |= {name.replace("_", " "): cell for name, cell in cells.items()}
    seen: set[str] = set()
    row = []
    for name in SALES_COLUMNS:
        first = name not in seen
        seen.add(name)
        row.append((status if first else "Jalisco") if name == "Estado" else values.get(name, "") if first else "")
    return row


def sales_report(*rows: Sequence[str], portuguese: bool = False) -> bytes:
    """The workbook: five rows of titles, the header, the rows."""
    header = [PORTUGUESE.get(name, name) if portuguese else name for name in SALES_COLUMNS]
    titles = [["Ventas"], ["Estado de tus ventas"], [], [], ["Ventas", *[""] * 13, "Facturación al comprador"]]
    return workbook([*titles, header, *rows])


def workbook(rows: Sequence[Sequence[str]], dimension: str = "A1:A1", torn_header: bool = False) -> bytes:
    """A workbook of text cells whose sheet states any dimension; the cells of a torn header are rows of their own."""
    lines = []
    for number, row in enumerate(rows, 1):
        cells = [
            f'<c r="{column_letters(at)}{number}" t="inlineStr"><is><t xml:space="preserve">{escape(cell)}</t></is></c>'
            for at, cell in enumerate(row)
        ]
        parts = cells if torn_header and number == 1 else ["".join(cells)]
        lines += [f'<row r="{number}">{part}</row>' for part in parts]
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="rels" '
        f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" '
        'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets><sheet name="Orders" sheetId="1" '
        'r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><dimension ref="{dimension}"/><sheetData>'
        f"{''.join(lines)}</sheetData></worksheet>",
    }  # fmt: skip
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in parts.items():
            archive.writestr(zipfile.ZipInfo(name), '<?xml version="1.0" encoding="UTF-8"?>' + text)
    return out.getvalue()


def column_letters(at: int) -> str:
    letters = ""
    at += 1
    while at:
        at, rest = divmod(at - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def api_order(number: int, status: str = "paid", **fields: Any) -> dict[str, Any]:
    """An order as `orders/search` returns it; its id is a long number that ends in the given one."""
    return {
        "id": 2_000_000_000 + number, "status": status, "date_created": "2026-10-05T10:00:00.000-04:00",
        "last_updated": "2026-10-09T10:00:00.000-04:00", "pack_id": None, "tags": ["paid"],
        "buyer": {"nickname": MARK, "first_name": MARK}, "comment": MARK, "mediations": [],
        "order_items": [{"item": {"id": "MLM1", "title": "Cup", "seller_sku": "CUP-1"}, "quantity": 2}],
        "shipping": {"id": number}, **fields,
    }  # fmt: skip


def api_shipment(number: int, **fields: Any) -> dict[str, Any]:
    """The shipment of the order of that number, as `shipments/ID` returns it: due on 7 October, sent a day late."""
    return {
        "id": number, "status": "delivered", "logistic_type": "drop_off", "tracking_number": "TRACK-1",
        "receiver_address": {"receiver_name": MARK, "address_line": MARK},
        "status_history": {
            "date_shipped": "2026-10-08T10:00:00.000-04:00", "date_delivered": "2026-10-09T09:00:00.000-04:00"
        },
        "shipping_option": {
            "estimated_handling_limit": {"date": "2026-10-07T23:00:00.000-04:00"},
            "estimated_delivery_limit": {"date": "2026-10-12T23:00:00.000-04:00"},
        },
        **fields,
    }  # fmt: skip


def reputation(claims: tuple[float, int] = (0.0912, 24), period: str = "60 days", **fields: Any) -> dict[str, Any]:
    """The part of `users/ID` on the reputation: of 263 sales 244 were completed."""
    rate, value = claims
    return {
        "id": 1, "nickname": MARK, "email": MARK, "site_id": "MLM",
        "seller_reputation": {
            "level_id": "5_green", "power_seller_status": "platinum",
            "metrics": {
                "sales": {"period": period, "completed": 244},
                "claims": {"period": period, "rate": rate, "value": value},
                "delayed_handling_time": {
                    "period": period, "rate": 0, "value": 0, "excluded": {"real_value": 47, "real_rate": 0.723}
                },
                "cancellations": {"period": period, "rate": 0.0228, "value": 6},
            },
        },
        **fields,
    }  # fmt: skip


TIKTOK = Tiny(
    "tiktok_orders", "TikTok Shop orders file", TIKTOK_COLUMNS,
    tuple(tuple(tiktok_row(number)) for number in (1, 2, 3)),
    ",", "Order ID", "Created Time", "Order Status", "31/02/2026 10:00:00", "download.csv", TIKTOK_PERSONAL,
)  # fmt: skip
SALES = Tiny(
    "mercado_libre_sales", "Mercado Libre sales report (ventas)", SALES_COLUMNS,
    tuple(tuple(sales_row(number, "30 de septiembre de 2026 19:29 hs.", "Entregado")) for number in (1, 2, 3)),
    "\t", "# de venta", "Fecha de venta", "Fecha de venta", "31 de febrero de 2026 19:29 hs.", "download.txt",
    SALES_PERSONAL,
)  # fmt: skip
