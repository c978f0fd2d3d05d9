# The farm's programs in one image: web, celery, housekeeping and worker differ only in their command (compose.yaml).
# A worker renders with what is installed beside it: build your own image FROM this one and add the renderers.
FROM python:3.11.14-slim-bookworm

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    FARM_DATA=/var/lib/farm

# Named volumes take over the owner of the folders that they cover.
RUN useradd --system --uid 10001 --no-create-home --home-dir /var/lib/farm farm \
    && install --directory --owner farm --mode 0700 /var/lib/farm /var/lib/join

WORKDIR /srv/qbfarm
COPY requirements.lock ./
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes --requirement requirements.lock
COPY manage.py qb.py ./
COPY qbcore/ qbcore/
COPY farm/ farm/
COPY templates/ templates/
COPY static/ static/

USER farm
VOLUME /var/lib/farm
EXPOSE 8000
CMD ["uvicorn", "farm.asgi:application", "--host", "0.0.0.0", "--port", "8000", "--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "3"]
