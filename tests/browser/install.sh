#!/bin/sh
# Installs chromium from Debian where it is missing; only root can. On Ubuntu the package is a snap, which a test cannot drive.
command -v chromium >/dev/null && exit
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "make test-browser needs chromium. On Debian have root run apt-get install chromium, or run this as root." >&2
    exit 1
fi
apt() {
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 "$@" >/dev/null
}
for pause in 10 30 0; do # a mirror may fail once
    apt update
    apt install --no-install-recommends chromium
    command -v chromium >/dev/null && exit
    sleep "$pause"
done
echo "chromium could not be installed; apt-get says above why." >&2
exit 1
