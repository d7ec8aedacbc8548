"""A Hugging Face Hub on this machine, which serves the files that a test gives it."""

import hashlib
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FakeHub:
    """repositories: {id: {revision: {file name: bytes}}}. gated: names of files that it refuses. requests: "GET /..."."""

    def __init__(self):
        self.repositories, self.gated, self.requests = {}, set(), []

    @staticmethod
    def commit(files):
        """The commit of files, 40 hex digits."""
        return hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()

    def answer(self, path):
        """(status, headers, body) for a path."""
        if about := re.fullmatch(r"/api/models/(.+)/revision/([^/]+)", path):
            revisions = self.repositories.get(about[1])
            if revisions is None:
                return 404, {"X-Error-Code": "RepoNotFound"}, b""
            if about[2] not in revisions:
                return 404, {"X-Error-Code": "RevisionNotFound"}, b""
            files = revisions[about[2]]
            siblings = [{"rfilename": name} for name in files]
            return 200, {}, json.dumps({"id": about[1], "sha": self.commit(files), "siblings": siblings}).encode()
        file = re.fullmatch(r"/(.+)/resolve/([^/]+)/(.+)", path)
        if not file:
            return 404, {}, b""
        repository, commit, name = file.groups()
        if name in self.gated:
            return 403, {"X-Error-Code": "GatedRepo"}, b""
        files = next(files for files in self.repositories[repository].values() if self.commit(files) == commit)
        headers = {"ETag": f'"{hashlib.sha256(files[name]).hexdigest()}"', "X-Repo-Commit": commit}
        return 200, headers, files[name]

    @contextmanager
    def serve(self):
        """Yield the address."""
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                path = self.path.partition("?")[0]
                hub.requests.append(f"{self.command} {path}")
                status, headers, body = hub.answer(path)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, *arguments):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
