# SPDX-License-Identifier: ISC
# Completion of sstool for bash.
_sstool()
{
	local word="${COMP_WORDS[COMP_CWORD]}" verb="${COMP_WORDS[1]}" list=
	if ((COMP_CWORD == 1)); then
		list="acme-challenge cache cert connect deploy doctor events metrics options run status verify why --version --help"
	elif [[ $verb == cert ]] && ((COMP_CWORD == 2)); then
		list="check explain list"
	elif [[ $verb == cache ]] && ((COMP_CWORD == 2)); then
		list="list prefetch purge serve show stats"
	elif [[ $word == -* ]]; then
		case "$verb ${COMP_WORDS[2]}" in
		acme-challenge*) list="--store --wait --remove --json" ;;
		"cert explain") list="--sni --no-sni --ip --sigalgs --tls --default --strict --at --json" ;;
		"cert check") list="--against --kind --tls-port --expiring --at --limit --json" ;;
		"cert list") list="--summary --expiring --at --limit --json" ;;
		"cache list") list="--dir --issuer --revoked --limit --json" ;;
		"cache prefetch") list="--dir --trust --json" ;;
		"cache purge") list="--dir --issuer --revoked --yes" ;;
		"cache serve") list="--dir --idle --socket --trust" ;;
		"cache show" | "cache stats") list="--dir --json" ;;
		deploy*) list="--publish --to --group --mode --name --trust --no-fetch --wait --json" ;;
		doctor*) list="--unit --json" ;;
		events*) list="--follow --since --limit --json" ;;
		connect*) list="--name --trust --alpn --json" ;;
		run*) list="--tls-port --tls --cert --trust --name --name-from-address --lenient --verbose --help" ;;
		status*) list="--limit --json" ;;
		options*) list="--json" ;;
		verify* | why*) list="--at --trust --untrusted --crl --ocsp --staple --name --policy --max-age --security-level --purpose --no-fetch --no-cache --json" ;;
		esac
	fi
	if [[ -n $list ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$list" -- "$word")
	fi
}
complete -o default -F _sstool sstool
