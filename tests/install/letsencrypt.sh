#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# letsencrypt - the three commands of the README do what it says: certificates of root
# in certbot's layout, a server of another user without rights to them, and renewals
# without a restart.
#
# It changes groups and writes where the commands do, so it runs in a mount namespace
# with an /etc, a /var/lib and a /run of its own.
[[ $(id -u) == 0 ]] || exit 77
if [[ -z ${SST_APART:-} ]]; then
	unshare --mount --propagation private true 2>/dev/null || exit 77
	SST_APART=1 exec unshare --mount --propagation private bash "$0"
fi
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
for program in python3 runuser usermod curl openssl; do
	command -v $program >/dev/null || exit 77
done
getent passwd www-data >/dev/null || exit 77
# shellcheck source=tests/install/common.sh disable=SC1091
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

SSTOOL=$SST_BUILD/tools/sstool
runuser -u www-data -- test -x "$SSTOOL" || {
	sst_say "www-data does not reach $SSTOOL"
	exit 77
}
LD_LIBRARY_PATH=$(dirname "$(library securesockets)"):$(dirname "$(library securesockets-openssl)")
SECURESOCKETS_AGENT=$(find "$SST_BUILD/src" -name securesocketsd -type f)
export LD_LIBRARY_PATH SECURESOCKETS_AGENT SST_CA=$SST_TMP/ca
unset XDG_RUNTIME_DIR SSL_CERT_FILE SSL_CERT_DIR

mkdir "$SST_TMP/bin"
ln -s "$SSTOOL" "$SST_TMP/bin/sstool"
ln -s "$SST_SOURCE/tests/install/certbot" "$SST_TMP/bin/certbot"
export PATH=$SST_TMP/bin:$PATH
cp -a /etc "$SST_TMP/etc" &&
	mount --bind "$SST_TMP/etc" /etc &&
	mount -t tmpfs tmpfs /run &&
	mount -t tmpfs -o mode=755 tmpfs /var/lib || exit 77
rm -rf /etc/letsencrypt /etc/securesockets.conf /etc/securesockets.conf.d
mkdir /var/lib/www
chmod 755 /var/lib/www "$SST_TMP"
echo hello >/var/lib/www/index.html
getent group ssl-cert >/dev/null || groupadd --system ssl-cert
check "a CA is made" openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	-subj /CN=CA -days 99 -keyout "$SST_CA.key" -out "$SST_CA.pem"

# The commands of the README, one a line.
awk '/^## / { on = $0 == "## Let'"'"'s Encrypt in three commands" }
	on && /^    / { print substr($0, 5) }' "$SST_SOURCE/README.md" >"$SST_TMP/commands"
(($(wc -l <"$SST_TMP/commands") == 3)) || wrong "these are not three commands"
command_of() { sed -n "$1p" "$SST_TMP/commands"; }

# first: what the server shows to one client
first()
{
	openssl s_client -connect "$ADDRESS:$PORT" -servername www.example.org \
		</dev/null 2>/dev/null | openssl x509 -noout -serial 2>/dev/null
}
# shows SERIAL: the server does, soon
shows()
{
	local n
	for ((n = 0; n < 100; n++)); do
		GOT=$(first)
		[[ $GOT == "serial=0$1" ]] && return
		kill -0 "$SERVER" 2>/dev/null || return 1
		sleep 0.05
	done
	return 1
}
served() { shows "$1" || wrong "served is '$GOT', and not serial=0$1"; }
says_hello()
{
	[[ $(curl -s --noproxy '*' --cacert "$SST_CA.pem" --resolve \
		"www.example.org:$PORT:$ADDRESS" "https://www.example.org:$PORT/") == hello ]]
}

the_certificate_is_published_for_the_group()
{
	local file=/var/lib/securesockets/certs/www.example.org.pem
	check "the first command" bash -c "$(command_of 1)"
	check "the second command" bash -c "$(command_of 2)"
	[[ $(stat -c '%a %U %G' $file) == "640 root ssl-cert" ]] ||
		wrong "published: $(stat -c '%a %U %G' $file)"
	[[ $(stat -c '%a %U %G' /var/lib/securesockets/certs) == "750 root ssl-cert" ]] ||
		wrong "the directory: $(stat -c '%a %U %G' /var/lib/securesockets/certs)"
	runuser -u www-data -- test -r $file || wrong "the server may not read it"
	runuser -u nobody -- test -r $file && wrong "everybody may read it"
	runuser -u www-data -- ls /etc/letsencrypt/live >/dev/null 2>&1 &&
		wrong "the server reads certbot's directory"
	:
}

# It takes a fixed port, so here another one is tried until one is free.
another_user_serves_it()
{
	local n text
	for ((n = 0; n < 20; n++)); do
		PORT=$((20000 + RANDOM % 12000))
		text=$(command_of 3 | sed "s|8443|$PORT|g; s|/var/www|/var/lib/www|")
		bash -c "exec $text" >"$SST_TMP/server.log" 2>&1 &
		SERVER=$!
		SST_JOBS+=("$SERVER")
		for ADDRESS in 127.0.0.1 '[::1]'; do
			shows 1 && break 2
		done
		kill -0 "$SERVER" 2>/dev/null && break
	done
	[[ $GOT == serial=01 ]] || {
		wrong "no server: $(cat "$SST_TMP/server.log")"
		finish
	}
	says_hello || wrong "it does not say hello"
	PROGRAM=$(pgrep -P "$SERVER")	# of runuser
	SST_JOBS+=("$PROGRAM")
	[[ $(stat -c %U "/proc/$PROGRAM") == www-data ]] || wrong "it is not www-data's"
}

a_renewal_is_served_without_a_restart()
{
	check "certbot renew" certbot renew
	served 2
	check "certbot renew" certbot renew
	served 3
	says_hello || wrong "it does not say hello any more"
	[[ $(pgrep -P "$SERVER") == "$PROGRAM" ]] || wrong "it was restarted"
}

a_renewal_that_is_broken_is_told_and_not_served()
{
	certbot renew --break >"$SST_TMP/out" 2>&1 && wrong "the hook took it"
	grep -q '^sstool: not deployed: ' "$SST_TMP/out" ||
		wrong "certbot is not told: $(cat "$SST_TMP/out")"
	served 3
	check "the next one" certbot renew
	served 5
}

# One that reads certbot's directory itself, and has a door: when the hook has ended,
# the very next client gets the new certificate.
a_program_of_root_is_told_and_waited_for()
{
	"$SST_BUILD/tools/demo" /etc/letsencrypt/live >"$SST_TMP/demo.out" 2>&1 &
	SERVER=$!
	SST_JOBS+=("$SERVER")
	ADDRESS=127.0.0.1 PORT=
	while [[ -z $PORT ]]; do
		PORT=$(sed -n 's/^port //p' "$SST_TMP/demo.out")
		kill -0 "$SERVER" 2>/dev/null || {
			wrong "no demo: $(cat "$SST_TMP/demo.out")"
			return
		}
	done
	served 5
	for n in 6 7 8; do
		certbot renew >"$SST_TMP/out" 2>&1 || wrong "the hook failed"
		grep -qE "^program +demo\[$SERVER\]  took it up$" "$SST_TMP/out" ||
			wrong "it is not said to have taken it up: $(cat "$SST_TMP/out")"
		[[ $(first) == "serial=0$n" ]] || wrong "served after the hook is $(first)"
	done
	certbot renew --break >"$SST_TMP/out" 2>&1
	[[ $(first) == serial=08 ]] || wrong "served is what is broken"
}

the_certificate_is_published_for_the_group
another_user_serves_it
a_renewal_is_served_without_a_restart
a_renewal_that_is_broken_is_told_and_not_served
a_program_of_root_is_told_and_waited_for
finish
