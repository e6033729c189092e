# SPDX-License-Identifier: ISC
# shellcheck shell=bash disable=SC2154
#
# verify_pki - the certificates, lists and responses that sstool_verify asks about,
# made with openssl in the working directory.
EC=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
# issue NAME ISSUER SERIAL EXTENSIONS [KEY...]
issue()
{
	local name=$1 by=$2 serial=$3
	local key=("${@:5}")
	((${#key[@]})) || key=("${EC[@]}")
	printf '%b' "$4" >"$name.ext"
	openssl req "${key[@]}" -keyout "$name.key" -out "$name.csr" -subj "/CN=$name" &&
		openssl x509 -req ${DIGEST:+"$DIGEST"} -in "$name.csr" -CA "$by.pem" -CAkey "$by.key" -days 30 \
			-extfile "$name.ext" -set_serial "$serial" -out "$name.pem"
}
# ca_file NAME: the database of a CA
ca_file()
{
	: >"$1.index"
	echo 01 >"$1.number"
	printf '%s\n' '[ca]' 'default_ca = d' '[d]' "database = $1.index" \
		"crlnumber = $1.number" 'default_md = sha256' 'default_crl_days = 7' \
		'crl_extensions = e' '[e]' 'authorityKeyIdentifier = keyid' >"$1.cnf"
}
crl() { openssl ca -gencrl -config "$1.cnf" -keyfile "$1.key" -cert "$1.pem" -out "$2" "${@:3}"; }
revoke() { openssl ca -config "$1.cnf" -keyfile "$1.key" -cert "$1.pem" -revoke "$2.pem" -crl_reason "$3"; }
# response CERT FILE ARGUMENTS...: by the CA itself
response()
{
	openssl ocsp -index ca.index -CA ca.pem -rsigner ca.pem -rkey ca.key -issuer ca.pem \
		-cert "$1.pem" -respout "$2" -no_nonce "${@:3}"
}
# Issuers that are no CAs by their own word, each with a certificate below it.
anchors()
{
	local name
	issue bare root 0x2001 'subjectKeyIdentifier = hash\n' &&
	issue old root 0x2002 '' &&
	issue bareku root 0x2003 'keyUsage = keyCertSign\n' &&
	issue barewww root 0x2004 'extendedKeyUsage = serverAuth\n' &&
	issue bareclient root 0x2005 'extendedKeyUsage = clientAuth\n' &&
	issue baree root 0x2006 'basicConstraints = CA:FALSE\n' &&
	issue bareno root 0x2007 'keyUsage = digitalSignature,cRLSign\n' || return
	for name in bare old bareku barewww bareclient baree bareno; do
		issue below_$name $name 0x3001 'subjectAltName = DNS:www.example.com\n' || return
	done
	issue client_bareclient bareclient 0x3002 'extendedKeyUsage = clientAuth\n' &&
	ca_file bare && crl bare bare.crl &&
	openssl ca -config bare.cnf -keyfile bare.key -cert bare.pem -valid below_bare.pem &&
	openssl ocsp -index bare.index -CA bare.pem -rsigner bare.pem -rkey bare.key \
		-issuer bare.pem -cert below_bare.pem -respout bare.ocsp -no_nonce -ndays 5
}
# What is below every level but 0, with evidence that is not, and the reverse.
weak()
{
	openssl req -x509 -sha1 -newkey rsa:1024 -nodes -keyout weak.key -out weak.pem \
		-subj /CN=weak -days 40 &&
	DIGEST=-sha1 issue below_weak weak 0x4001 '' -newkey rsa:1024 -nodes &&
	ca_file weak && crl weak weak.crl -md sha1 && crl ca sha1.crl -md sha1 &&
	openssl ca -config weak.cnf -keyfile weak.key -cert weak.pem -valid below_weak.pem &&
	openssl ocsp -index weak.index -CA weak.pem -rsigner weak.pem -rkey weak.key \
		-issuer weak.pem -cert below_weak.pem -respout weak.ocsp -no_nonce -ndays 5 \
		-rmd sha1 &&
	response leaf sha1.ocsp -ndays 5 -rmd sha1
}
# A CA that demands policies, and certificates with and without.
policed()
{
	issue strict root 0x5001 'basicConstraints = critical,CA:TRUE\npolicyConstraints = critical,requireExplicitPolicy:0\ncertificatePolicies = 1.3.6.1.4.1.1.1\n' &&
		issue policed strict 0x5002 'certificatePolicies = 1.3.6.1.4.1.1.1\n' &&
		issue unpoliced strict 0x5003 'certificatePolicies = 1.3.6.1.4.1.1.2\n' &&
		issue policed_otherwise ca 0x5004 'certificatePolicies = 1.3.6.1.4.1.1.2\n'
}
make()
{
	openssl req -x509 "${EC[@]}" -keyout root.key -out root.pem -subj /CN=Root -days 40 &&
	issue ca root 0x1001 'basicConstraints = critical,CA:TRUE\nkeyUsage = critical,keyCertSign,cRLSign\n' &&
	issue leaf ca 0xabcdef 'subjectAltName = DNS:www.example.com,IP:192.0.2.1,IP:2001:db8::1\nextendedKeyUsage = serverAuth\nauthorityInfoAccess = OCSP;URI:http://127.0.0.1:9/\n' &&
	issue twin ca 0xabcd00 'subjectAltName = DNS:www.example.com\n' &&
	issue client ca 0x77 'extendedKeyUsage = clientAuth\n' &&
	issue must ca 0x88 'tlsfeature = status_request\n' &&
	issue small ca 0x99 'extendedKeyUsage = serverAuth\n' -newkey rsa:1024 -nodes &&
	anchors && policed && ca_file root && ca_file ca && crl root root.crl && crl ca good.crl -crldays 5 &&
	openssl ca -config ca.cnf -keyfile ca.key -cert ca.pem -valid leaf.pem &&
	openssl ca -config ca.cnf -keyfile ca.key -cert ca.pem -valid must.pem &&
	response leaf good.ocsp -ndays 5 && response must must.ocsp -ndays 5 &&
	response twin unknown.ocsp -ndays 5 && weak &&
	revoke ca leaf keyCompromise && crl ca bad.crl && response leaf bad.ocsp -ndays 5 &&
	revoke root ca cACompromise && crl root rootbad.crl
}
