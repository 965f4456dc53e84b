"""A provider of its own for these tests: real HTTP, answers by what it was sent. Knows nothing of Serinus."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAUSE_S = 0.15
USAGE = {"prompt_tokens": 7, "completion_tokens": 4, "total_tokens": 11}


class Provider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.seen.append(body)
        if body["model"] == "failing":
            return self.reply(429, {"error": {"message": "slow down", "type": "rate_limit_error", "param": None, "code": "rate_limit_exceeded"}})
        if body.get("stream"):
            return self.stream(body)
        self.reply(200, self.completion(body))

    def completion(self, body):
        message = {"role": "assistant", "content": f"{body['model']} speaking", "refusal": None}
        finish = "stop"
        if body.get("tools"):
            call = {"name": body["tools"][0]["function"]["name"], "arguments": '{"city": "Bonn"}'}
            message.update(content=None, tool_calls=[{"id": "call_1", "type": "function", "function": call}])
            finish = "tool_calls"
        elif body.get("response_format"):
            message["content"] = '{"city": "Bonn", "people": 330000}'
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        return {"id": "chatcmpl-upstream", "object": "chat.completion", "created": 1, "model": body["model"], "choices": [choice], "usage": USAGE}

    def stream(self, body):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        envelope = {"id": "chatcmpl-upstream", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
        deltas = [{"role": "assistant", "content": ""}, {"content": "one "}, {"content": "two "}, {"content": "three"}]
        for delta in deltas:
            self.frame({**envelope, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
            time.sleep(PAUSE_S)
        self.frame({**envelope, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        if body.get("stream_options", {}).get("include_usage"):
            self.frame({**envelope, "choices": [], "usage": USAGE})
        self.chunk(b"data: [DONE]\n\n")
        self.chunk(b"")

    def frame(self, value):
        self.chunk(b"data: " + json.dumps(value).encode() + b"\n\n")

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def reply(self, status, value):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def start():
    """A running provider; `.seen` holds every body that it was sent."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    server.seen = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
