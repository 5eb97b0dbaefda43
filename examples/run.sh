#!/bin/sh
# What `make run` does: the synthetic hospital into an embedded database, then the service.
set -eu
bin=$(dirname "${PYTHON:-.venv/bin/python}")
export REFNOT_DATABASE_URL="${REFNOT_DATABASE_URL:-sqlite:///var/refnot.sqlite3}"
export REFNOT_MAPPINGS="${REFNOT_MAPPINGS:-mappings}"
# The hospital is made up, so its patients may take part: published as test data (HTEST).
export REFNOT_REPLAY="${REFNOT_REPLAY:-true}"
mkdir -p var
loaded="var/loaded-$(printf %s "$REFNOT_DATABASE_URL" | cksum | cut -d' ' -f1)"
if [ ! -f "$loaded" ]; then
    rm -rf var/hospital
    "$bin/refnot-fhir" simulate --patients 90 --seed 7 --until "${TODAY:-$(date +%F)}" --output var/hospital
    "$bin/refnot-fhir" ingest var/hospital
    touch "$loaded"
fi
exec "$bin/refnot-fhir" serve
