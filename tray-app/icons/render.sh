#!/usr/bin/env bash
# Renders the pictures that the app embeds from the drawings beside this file. Needs rsvg-convert (librsvg2-bin) and convert (imagemagick).
set -euo pipefail
cd "$(dirname "$0")"
to=../src-tauri/icons
for drawing in *.svg; do
  name=${drawing%.svg}
  [ "$name" = app ] || rsvg-convert -w 32 -h 32 "$drawing" -o "$to/$name.png"
done
rsvg-convert -w 32 -h 32 app.svg -o "$to/32x32.png"
rsvg-convert -w 128 -h 128 app.svg -o "$to/128x128.png"
rsvg-convert -w 256 -h 256 app.svg -o "$to/128x128@2x.png"
rsvg-convert -w 512 -h 512 app.svg -o "$to/icon.png"
convert "$to/128x128@2x.png" "$to/128x128.png" "$to/32x32.png" "$to/icon.ico"
