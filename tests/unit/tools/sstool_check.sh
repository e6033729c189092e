#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# sstool_check - sstool cert check and cert list --summary: names of nginx, haproxy and
# lists against certificates.
# shellcheck source=tests/unit/tools/tool.sh disable=SC1091
. "$SST_SOURCE/tests/unit/tools/tool.sh"

mkdir certs
authority ca
pair certs/shop.pem DNS:shop.example,DNS:www.shop.example -1 80
pair certs/wild.pem 'DNS:*.lab.example,IP:192.0.2.7,IP:2001:db8::7' -1 80
pair certs/old.pem DNS:old.example -30 -1
pair certs/early.pem DNS:early.example 2 80
pair certs/soon.pem DNS:soon.example -80 5
# the same name for the same key type again, and for another
pair certs/twice1.pem DNS:twice.example -1 80
pair certs/twice2.pem DNS:twice.example -1 79
pair certs/both1.pem DNS:both.example -1 80
pair certs/both2.pem DNS:both.example -1 80 -newkey rsa:2048 -nodes
# its end is near, and what follows is there
pair certs/next1.pem DNS:next.example -80 3
pair certs/next2.pem DNS:next.example 1 80

against() { exits "$1" cert check --against "${@:2}" certs; }
# names LINE...: a list of them
names() { printf '%s\n' "$@" >list; }

the_command_line_is_judged()
{
	names shop.example
	exits 64 cert check certs
	complains '--against FILE'
	exits 64 cert check --against list
	complains 'which PATH'
	exits 64 cert check --against list --kind frob certs
	exits 64 cert check --against list --expiring soon certs
	exits 64 cert check --against list --expiring 5y certs
	exits 64 cert check --against list --tls-port 0 certs
	exits 64 cert check --against list --limit x certs
	exits 64 cert check --against list --frob certs
	complains "no option '--frob'"
	exits 2 cert check --against nowhere certs
	complains '^sstool: nowhere: No such file'
	exits 2 cert check --against list nowhere
	complains 'nowhere'
	: >empty
	exits 2 cert check --against empty certs
	complains 'empty: no name in it'
	exits 64 cert list --expiring x certs
	exits 64 cert list --at x certs
}

every_name_is_covered_or_named()
{
	names shop.example WWW.Shop.Example. 192.0.2.7 2001:db8:0::7 x.lab.example '*.lab.example'
	against 0 list
	says '^6 names: 6 covered$'
	quiet
	names shop.example '# a comment' nobody.example a.b.lab.example lab.example 192.0.2.8
	against 1 list
	says '^uncovered nobody\.example  list:3$'
	says '^uncovered a\.b\.lab\.example  list:4$'
	says '^uncovered lab\.example  list:5$'
	says '^uncovered 192\.0\.2\.8  list:6$'
	never 'shop'
	says '^5 names: 1 covered, 4 uncovered$'
	names '*.shop.example'
	against 1 list
	says '^uncovered \*\.shop\.example'
	printf 'shop.example\n' >other
	"$SSTOOL" cert check --against - certs <other >out || wrong "standard input"
	says '^1 names: 1 covered'
}

what_has_ended_or_not_begun_covers_nothing()
{
	names old.example early.example
	against 1 list
	says '^expired   old\.example  list:1$'
	says 'until [0-9TZ:-]{20}: .*certs/old\.pem'
	says '^early     early\.example  list:2$'
	says 'not before [0-9TZ:-]{20}: .*early\.pem'
	says '^2 names: 0 covered, 1 expired, 1 early$'
}

a_time_can_be_given()
{
	names early.example
	exits 0 cert check --against list --at "$((NOW + 3 * 86400))" certs
	exits 1 cert check --against list --at "$((NOW + 1 * 86400))" certs
	says '^early'
	names old.example
	exits 0 cert check --against list --at "$((NOW - 25 * 86400))" certs
	exits 1 cert check --against list --at "$((NOW - 31 * 86400))" certs
	says '^early'
}

two_of_a_key_type_are_one_too_many()
{
	names twice.example both.example
	against 1 list
	says '^twice     twice\.example  list:1$'
	says 'EC-P-256: .*twice[12]\.pem and .*twice[12]\.pem'
	never 'both\.example'
	says '^2 names: 2 covered, 1 twice$'
	names both.example
	against 0 list
	# an exact name and a wildcard: the exact one is served, and it is one
	pair certs/exact.pem DNS:exact.lab.example -1 80
	names exact.lab.example other.lab.example
	against 0 list
}

what_ends_soon_and_is_not_followed_is_expiring()
{
	names soon.example next.example
	against 1 list
	says '^expiring  soon\.example  list:1$'
	says 'until .*soon\.pem'
	never 'next\.example'
	exits 0 cert check --against list --expiring 4d certs
	exits 1 cert check --against list --expiring 6d certs
	never 'next\.example'
	exits 1 cert check --against list --expiring 81d certs
	says '^expiring  next\.example'
	# by default a third of its life: 27 of 81 days
	names shop.example
	exits 0 cert check --against list --at "$((NOW + 52 * 86400))" certs
	exits 1 cert check --against list --at "$((NOW + 54 * 86400))" certs
	# half of one under ten days
	mkdir short
	pair short/short.pem DNS:short.example -4 4
	names short.example
	exits 0 cert check --against list --at "$((NOW - 3600))" short
	exits 1 cert check --against list --at "$((NOW + 3600))" short
}

json_says_the_same()
{
	names nobody.example twice.example soon.example shop.example bad_.example..
	against 1 list --json
	json 'o[0]["finding"] == "uncovered" and o[0]["name"] == "nobody.example" and
	    o[0]["file"] == "list" and o[0]["line"] == 1 and o[0]["sources"] == []'
	json '[x for x in o if x.get("finding") == "twice"][0]["key_type"] == "EC-P-256"'
	json 'len([x for x in o if x.get("finding") == "twice"][0]["sources"]) == 2'
	json '[x for x in o if x.get("finding") == "expiring"][0]["not_after"] > 1700000000'
	json 'o[-1]["names"] == 5 and o[-1]["covered"] == 3 and o[-1]["uncovered"] == 1 and
	    o[-1]["unchecked"] == 1'
	json '[x for x in o if x.get("finding") == "unchecked"][0]["why"]'
	exits 1 cert check --against list --limit 1 --json certs
	json 'len(o) == 3 and o[1]["shown"] == 1 and o[1]["of"] == 4'
	exits 1 cert check --against list --limit 1 certs
	says '^1 of 4$'
}

nginx_is_read_as_nginx_reads_it()
{
	mkdir -p nginx/sites
	cat >nginx/nginx.conf <<'N'
user www-data;
events { worker_connections 768; }
http {
	map $host $backend {
		default plain;
		server_name "of a map"; # is no name
	}
	server {
		listen 80 default_server;
		server_name plain.example redirected.example;
		return 301 https://$host$request_uri;
	}
	server {
		server_name "shop.example" # two
		    'www.shop.example';
		listen [::]:443 ssl http2;
		location / { content_by_lua_block { ngx.say("}") -- }
		} }
		if ($http_x ~ "a;b{c}") { return 404; }
	}
	include sites/*.conf;
	include nowhere/*.conf;
	server { listen 8443 ssl; server_name ~^(?<u>.+)\.u\.example$ $hostname mail.* w.${zone}; }
	server { listen 443; server_name _ ""; }
	server { listen 192.0.2.9; server_name of.port.80.example; }
	server { listen [2001:db8::443]; server_name of.port.80.too.example; }
	server { listen unix:/run/443; server_name of.no.port.example; }
	upstream b { server 192.0.2.1:80; }
}
N
	cat >nginx/sites/a.conf <<'N'
server {
	ssl_certificate /etc/x.pem;
	server_name .lab.example
	    nobody.example;
}
N
	against 1 nginx/nginx.conf
	says '^uncovered lab\.example  nginx/sites/a\.conf:3$'
	says '^uncovered nobody\.example  nginx/sites/a\.conf:4$'
	says '^unchecked ~\^.*u.*  nginx/nginx\.conf:[0-9]+$'
	says 'a regular expression$'
	says 'a variable$'
	says 'a wildcard at the end$'
	never 'redirected|of.*port|of a map|192\.0|shop'
	says '^9 names: 3 covered, 2 uncovered, 4 unchecked; 5 of servers without TLS$'
	against 1 nginx/nginx.conf --tls-port 80
	says '^uncovered plain\.example  nginx/nginx\.conf:10$'
	against 1 nginx/nginx.conf --tls-port any
	says '^uncovered redirected\.example'
	# what both a server with and one without TLS has counts
	printf 'server { listen 80; server_name a.example; }\nserver { listen 443 ssl; server_name a.example; }\n' >both.conf
	against 1 both.conf
	says '^uncovered a\.example  both\.conf:1$'
	says '^1 names'
}

nginx_that_is_broken_is_not_guessed()
{
	local text
	for text in 'server { server_name a.example;' 'server { } }' \
		'server { server_name "a.example; }' 'server_name a.example' \
		'server { include nowhere.conf; }' '{ }' \
		'server { x_by_lua_block { "} }'; do
		printf '%s\n' "$text" >broken.conf
		exits 2 cert check --kind nginx --against broken.conf certs
		complains '^sstool: .*(broken|nowhere)\.conf'
	done
	# a pipe is waited for where it was named, and not where a file names it
	mkfifo pipe.conf
	printf 'server { include pipe.conf; }\n' >outer.conf
	exits 2 cert check --against outer.conf certs
	complains 'pipe\.conf: what is included must be a file'
	printf 'server { listen 443 ssl; server_name a.example; }\n' >pipe.conf &
	exits 1 cert check --kind nginx --against pipe.conf certs
	wait
	printf 'include self.conf;\nserver { server_name a.example; }\n' >self.conf
	exits 2 cert check --against self.conf certs
	complains 'includes itself'
	printf 'server {\n server_name a.example;\n\0}\n' >zero.conf
	exits 2 cert check --against zero.conf certs
	complains 'no text'
}

haproxy_is_read_as_haproxy_reads_it()
{
	mkdir haproxy
	cat >haproxy/haproxy.cfg <<'H'
# a comment
global
	daemon
frontend web
	bind :443 ssl crt-list crts.txt strict-sni
	bind :8443 ssl crt /etc/x.pem # not.this.example
	acl is_shop hdr(host) -i shop.example:443 www.shop.example
	acl by_end req.hdr(host),lower -m end .lab.example
	acl by_beg hdr_beg(host) -i www.
	acl not_a_name path_beg /static static.example
	acl cookie hdr(cookie) cookie.example
	acl hostile hdr(hostile) hostile.cookie.example
	acl count hdr_cnt(host) eq 1
	acl filed req.ssl_sni -i -f names.acl
	use_backend b if { ssl_fc_sni -i "sni.example" } !{ ssl_fc_sni denied.example }
	use_backend %[req.hdr(host),lower,map(hosts.map,fallback)]
	use_backend %[path,map(paths.map)]
backend b
	server s 192.0.2.1:443 ssl sni str(out.example)
H
	printf '/etc/a.pem [alpn h2 ssl-min-ver TLSv1.2] crt.example !not.example\n/etc/b.pem\n# no.example\n' \
		>haproxy/crts.txt
	printf '# x\nfiled.example\n\n' >haproxy/names.acl
	printf 'mapped.example backend_a\n#c\n*.lab.example b\n' >haproxy/hosts.map
	against 1 haproxy/haproxy.cfg
	for name in 'crt\.example  haproxy/crts\.txt:1' 'filed\.example  haproxy/names\.acl:2' \
		'sni\.example  haproxy/haproxy\.cfg:15' 'denied\.example  haproxy/haproxy\.cfg:15' \
		'mapped\.example  haproxy/hosts\.map:1'; do
		says "^uncovered $name\$"
	done
	says '^unchecked www\.  haproxy/haproxy\.cfg:9$'
	says 'not compared as a whole'
	never 'static|cookie|out\.example|not\.|fallback|uncovered.*(shop|lab)| eq|\b1  '
	says '^9 names: 3 covered, 5 uncovered, 1 unchecked$'
	# a directory, as haproxy -f takes one
	against 1 haproxy
	says '^9 names'
	exits 64 cert check --kind nginx --against haproxy certs
	printf 'frontend x\n\tacl a hdr(host) "open\n' >broken.cfg
	exits 2 cert check --against broken.cfg certs
	complains 'broken\.cfg:2: '
	printf 'frontend x\n\tacl a hdr(host) -f nowhere.acl\n' >broken.cfg
	exits 2 cert check --against broken.cfg certs
	complains 'nowhere\.acl'
}

a_name_cannot_speak_to_the_terminal()
{
	printf 'a\e[31m.example\n' >list
	against 0 list
	grep -q $'\e' out said && wrong "an escape sequence"
	says '^unchecked a\\x1b'
}

the_summary_counts()
{
	mkdir some
	cp -p certs/shop.pem certs/soon.pem certs/both2.pem some/
	exits 0 cert list --summary some
	says '^certificates  3 usable, 0 staged, 0 refused$'
	says '^names         4$'
	says '^keys          (EC-P-256 2, RSA-2048 1|RSA-2048 1, EC-P-256 2)$'
	says '^expired       0$'
	says '^earliest end  [0-9TZ:-]{20}  .*soon\.pem$'
	never 'expiring|usable +EC'
	exits 0 cert list --summary --expiring 4d some
	says '^expiring      0 within 4d$'
	exits 1 cert list --summary --expiring 2w some
	says '^expiring      1 within 2w$'
	exits 1 cert list --summary --expiring 14d --json some
	json 'len(o) == 1 and o[0]["usable"] == 3 and o[0]["expiring"] == 1 and
	    o[0]["within"] == 14 * 86400 and o[0]["keys"] == {"EC-P-256": 2, "RSA-2048": 1}
	    and o[0]["expired"] == 0 and o[0]["earliest_source"].endswith("soon.pem")'
	exits 0 cert list --summary --at "$((NOW + 6 * 86400))" some
	says '^expired       1$'
	exits 0 cert list --summary --json some
	json 'o[0]["expiring"] is None and o[0]["within"] is None'
	mkdir none
	exits 1 cert list --summary none
	says '^certificates  0 usable'
	exits 1 cert list --summary --json none
	json 'o[0]["earliest"] is None'
}

the_list_of_what_expires_is_that_alone()
{
	exits 1 cert list --expiring 14d some
	says 'soon\.pem'
	never 'shop\.pem|both2\.pem'
	exits 0 cert list --expiring 1d some
	[[ ! -s out ]] || wrong "something was listed: $(cat out)"
	head -c 200 certs/shop.pem >some/torn.pem
	exits 1 cert list --expiring 1d some
	says '^refused .*'
	never 'usable'
	exits 1 cert list --summary some
	says '3 usable, 0 staged, 1 refused'
	rm some/torn.pem
}

the_command_line_is_judged
every_name_is_covered_or_named
what_has_ended_or_not_begun_covers_nothing
a_time_can_be_given
two_of_a_key_type_are_one_too_many
what_ends_soon_and_is_not_followed_is_expiring
json_says_the_same
nginx_is_read_as_nginx_reads_it
nginx_that_is_broken_is_not_guessed
haproxy_is_read_as_haproxy_reads_it
a_name_cannot_speak_to_the_terminal
the_summary_counts
the_list_of_what_expires_is_that_alone
finish
