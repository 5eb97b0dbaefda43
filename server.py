"""`python server.py` serves; `server:app` is the WSGI target for any other server."""

from __future__ import annotations

from refnot_fhir.compose import application, serve

if __name__ == "__main__":
    serve()
elif __name__ != "__mp_main__":  # so Python names it in each worker of `serve`
    app = application()
