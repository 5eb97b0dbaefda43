#!/bin/sh
# What `make run` does: the synthetic hospital into an embedded database, the service, and then what
# the hospital's trial management system decides of its subjects.
set -eu
bin=$(dirname "${PYTHON:-.venv/bin/python}")
export REFNOT_DATABASE_URL="${REFNOT_DATABASE_URL:-sqlite:///var/refnot.sqlite3}"
export REFNOT_MAPPINGS="${REFNOT_MAPPINGS:-mappings}"
# The hospital is made up, so its patients may take part: published as test data (HTEST).
export REFNOT_REPLAY="${REFNOT_REPLAY:-true}"
address="http://127.0.0.1:${REFNOT_PORT:-8000}"
mkdir -p var
loaded="var/loaded-$(printf %s "$REFNOT_DATABASE_URL" | cksum | cut -d' ' -f1)"
if [ ! -f "$loaded" ]; then
    rm -rf var/hospital
    "$bin/refnot-fhir" simulate --patients 120 --seed 7 --until "${TODAY:-$(date +%F)}" --output var/hospital
    "$bin/refnot-fhir" ingest var/hospital/bundles
    touch "$loaded"
fi
"$bin/refnot-fhir" serve &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" || true' EXIT
trap 'exit 130' INT TERM
until "$bin/python" -c 'import sys, urllib.request as u; u.urlopen(sys.argv[1])' "$address/health/ready" 2>/dev/null; do
    kill -0 "$server" || exit 1
    sleep 0.5
done
if [ ! -f "$loaded-decided" ]; then
    "$bin/refnot-fhir" ingest --server "$address/fhir" var/hospital/ctms ||
        echo 'Not every decision was taken: after a run that was stopped early, make clean begins again.' >&2
    touch "$loaded-decided"
fi
echo 'Subjects by status:'
"$bin/refnot-fhir" subjects --json | "$bin/python" -c '
import collections, json, sys
for status, count in sorted(collections.Counter(it["status"] for it in json.load(sys.stdin)).items()):
    print(f"{count:8d}  {status}")'
echo "An eligible subject    curl '$address/fhir/ResearchSubject?status=eligible'"
echo "An enrolled subject    curl '$address/fhir/ResearchSubject?status=on-study'"
wait "$server"
