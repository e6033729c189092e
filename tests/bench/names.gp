# SPDX-License-Identifier: ISC
#
# names.gp - what `names --tsv FILE` found, as a picture.
#
#	gnuplot -e "data='FILE'; out='names.svg'" tests/bench/names.gp
set terminal svg size 900,420 font "sans-serif,13" background "white"
set output out
set datafile separator "\t"
set datafile commentschars "#"
servers = "ours nginx haproxy hitch caddy"
of(name, column) = stringcolumn(2) eq name ? column : NaN
set logscale xy
set xlabel "names"
set format x "10^{%L}"
set grid
set key top left
set multiplot layout 1,2
set title "start until a name is served"
set ylabel "ms"
plot for [s in servers] data using 1:(of(s, $3)) with linespoints pointtype 7 \
	linewidth (s eq "ours" ? 3 : 1.5) title (s eq "ours" ? "Secure Sockets" : s)
set title "memory (PSS of all processes)"
set ylabel "MB"
plot for [s in servers] data using 1:(of(s, $4) / 1048576) with linespoints pointtype 7 \
	linewidth (s eq "ours" ? 3 : 1.5) title (s eq "ours" ? "Secure Sockets" : s)
unset multiplot
