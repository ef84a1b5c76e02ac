"""A receipts client as it is in the field, with Python's `websockets`: prints whatever arrives as a receipt.

python receipts.py ws://localhost:8765
"""

import asyncio
import json
import sys

import websockets


async def listen(url: str) -> None:
    async with websockets.connect(url) as websocket:
        print(f"Connected to {url}", flush=True)
        async for text in websocket:
            receipt = json.loads(text)
            print(f"Receipt {receipt['receipt_id']} → {receipt['status']}", text, flush=True)
    print("Connection closed", flush=True)


asyncio.run(listen(sys.argv[1] if len(sys.argv) > 1 else "ws://localhost:8765"))
