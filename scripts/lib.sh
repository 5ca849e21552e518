# What the scripts share. Sourced, never run.
# shellcheck shell=bash disable=SC2034

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Debian packages that building and testing need, each with the program that shows it is there.
# A package is installed only where its program is missing.
apt_programs=(
  build-essential:cc   # the C compiler: ring and SQLite are built from source
  ca-certificates:update-ca-certificates # cargo fetches over TLS
  git:git              # cargo-deny reads advisory databases through it
  iproute2:ip          # network namespaces of the simulation tests
  nftables:nft         # NAT in front of simulated hosts
  tcpdump:tcpdump      # the test that looks for plain text on the wire
  gdb:gcore            # the test that looks for secrets in memory dumps
  chromium:chromium    # the browser of the page's tests
  firefox-esr:firefox-esr  # the other browser of the page's tests
  ffmpeg:ffmpeg        # makes videos of recordings, and looks at them
  nodejs:node          # runs them
  npm:npm              # fetches what they need, which is in no program
  procps:pgrep         # finds the decode process that they kill
  postgresql:/usr/lib/postgresql # the relay's other database: its tests start a server
  prometheus:promtool  # checks and tries the alert rules
  xvfb:Xvfb            # an X server without a screen: the desktop process is tried on it
  openbox:openbox      # a window manager for them
  tigervnc-standalone-server:Xtigervnc # an X server whose input is a device's, for presses that must be real
  at-spi2-core:/usr/libexec/at-spi-bus-launcher # screen readers' bus: tests use the customer's window over it
  pkg-config:pkg-config # finds the next
  libfontconfig-dev:/usr/include/fontconfig/fontconfig.h # the customer's window finds fonts with it
  "libxkbcommon-x11-0:/usr/lib/$(uname -m)-linux-gnu/libxkbcommon-x11.so.0" # and reads the keyboard with this
  xdotool:xdotool      # uses it as a person would
  xterm:xterm          # what is typed is typed into this
  xclip:xclip          # copies and pastes
  x11-xkb-utils:setxkbmap # changes the keyboard's layout
  xauth:xauth          # who may use a display
  dbus:dbus-daemon     # a system bus of a test's own
  x11-xserver-utils:xrandr # changes the screen's resolution
  prometheus-alertmanager:prometheus-alertmanager # receivers of alarms
  prometheus:prometheus
  rsyslog:rsyslogd
  mosquitto:mosquitto
  mosquitto-clients:mosquitto_sub
  openssl:openssl
  faketime:faketime    # clocks that jump
  strace:strace        # disks that are slow
  python3-aiosmtpd:aiosmtpd
  mmdebstrap:mmdebstrap # makes the Debian that the system tests boot
  systemd-container:systemd-nspawn # and boots it
)

# The cargo-deny that the checks were written for.
cargo_deny_version=0.20.2

export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH:/usr/sbin:/sbin"

say() { printf '%s\n' "$*"; }
notice() { printf 'notice: %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }
# A program, or a file by its whole path.
have() { command -v "$1" >/dev/null 2>&1 || [ -f "$1" ]; }

# at_least A B: version A is B or newer.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# The oldest Rust that builds the workspace, from Cargo.toml.
rust_needed() { sed -n 's/^rust-version *= *"\(.*\)"/\1/p' "$root/Cargo.toml" | head -n 1; }

# Runs a command as root: as it is, through sudo, or not at all.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif have sudo; then sudo "$@"
  else fail "this needs root: $*"; fi
}
