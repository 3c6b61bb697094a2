#!/usr/bin/env bash
# Renders the pictures that the app embeds from the drawings beside this file. Needs rsvg-convert (librsvg2-bin) and convert (imagemagick).
set -euo pipefail
cd "$(dirname "$0")"
to=../src-tauri/icons
for drawing in *.svg; do
  name=${drawing%.svg}
  [ "$name" = app ] || rsvg-convert -w 32 -h 32 "$drawing" -o "$to/$name.png"
done
# Of one colour, and legible whatever the panel's: light, with a dark edge. macOS colours its templates by itself.
for drawing in *-mono.svg; do
  sed -e 's/viewBox="0 0 16 16"/viewBox="-.7 -.7 17.4 17.4"/' \
    -e 's/fill="currentColor"/fill="#fff" stroke="#14181c" stroke-width="1.9" stroke-linejoin="round" paint-order="stroke"/' "$drawing" |
    rsvg-convert -w 32 -h 32 -o "$to/${drawing%-mono.svg}-edged.png"
done
rsvg-convert -w 32 -h 32 app.svg -o "$to/32x32.png"
rsvg-convert -w 128 -h 128 app.svg -o "$to/128x128.png"
rsvg-convert -w 256 -h 256 app.svg -o "$to/128x128@2x.png"
rsvg-convert -w 512 -h 512 app.svg -o "$to/icon.png"
convert "$to/128x128@2x.png" "$to/128x128.png" "$to/32x32.png" "$to/icon.ico"
