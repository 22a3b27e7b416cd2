# The page in a container: docker build -t facefusion . && docker run --rm -p 7860:7860 --read-only --tmpfs /tmp facefusion
# `python -m benchmarks.container` runs these steps without a Docker engine, as far as they go.
FROM python:3.11-slim

COPY packages.txt /tmp/
RUN apt-get update && xargs -a /tmp/packages.txt apt-get install -y --no-install-recommends && rm -rf /var/lib/apt/lists/*

RUN useradd --create-home --uid 1000 user
WORKDIR /home/user/app

# torch is the runtime of the GPU path: nothing imports it on a CPU, and it is larger than all the rest together.
COPY requirements.txt ./
RUN grep -v '^torch' requirements.txt > /tmp/serving.txt && pip install --no-cache-dir -r /tmp/serving.txt

COPY app.py LICENSE ./
COPY facefusion facefusion
COPY weights weights
COPY examples examples

USER user
# Everything that is written goes to /tmp: uploads and results, for ten minutes, and what this machine was measured to need.
ENV GRADIO_SERVER_NAME=0.0.0.0 HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# No package reports to its maker, also where a command other than this project's is run (`facefusion/machine/telemetry.py`).
ENV ORT_DISABLE_TELEMETRY=1 GRADIO_ANALYTICS_ENABLED=False GRADIO_ANALYTICS_MAX_EVENTS=1 GRADIO_ANALYTICS_CACHE_FREQUENCY=1000000000 HF_HUB_DISABLE_TELEMETRY=1 HF_XET_TELEMETRY_ENABLED=0
ENV RAY_USAGE_STATS_ENABLED=0
EXPOSE 7860
HEALTHCHECK --start-period=60s CMD python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:7860/config', timeout=4)"
CMD ["python", "app.py"]
