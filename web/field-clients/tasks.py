"""A watcher of uploads as it is in the field, with Python's `websockets`, which connects again by itself.

python tasks.py ws://localhost:8080/ws/notifications/ --token <jwt>
python tasks.py ws://localhost:8080/ws/notifications/ --cookie access_token=<jwt>
"""

import asyncio
import json
import sys

import websockets


async def main(url: str, how: str, secret: str) -> None:
    headers = {}
    if how == "--token":
        url = f"{url}?token={secret}"
    else:
        headers["Cookie"] = secret
    async for websocket in websockets.connect(url, additional_headers=headers):
        try:
            await websocket.send(json.dumps({"type": "ping", "timestamp": 1763469045123}))
            async for text in websocket:
                message = json.loads(text)
                if message["type"] == "oracle_upload_progress":
                    step = f"{message['step_number']}/{message['total_steps']} {message['step']}"
                    print(f"{message['transaction_id']}: {step}", flush=True)
                print(message["type"], text, flush=True)
        except websockets.ConnectionClosed:
            pass
        print("closed", websocket.close_code, flush=True)


asyncio.run(main(*sys.argv[1:4]))
