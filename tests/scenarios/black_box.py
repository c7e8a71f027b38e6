#!/usr/bin/env python3
"""A server of no known engine that bills what it likes: it computes nothing and answers at once.

    black_box.py        its port is the first line on stdout
"""
import http.server
import json


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.dumps({"id": "cmpl-1", "object": "text_completion", "model": "secret",
                           "choices": [{"index": 0, "text": "words", "finish_reason": "stop"}],
                           "usage": {"prompt_tokens": 7, "completion_tokens": 1000}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    print(server.server_port, flush=True)
    server.serve_forever()
