#!/bin/sh
# SPDX-License-Identifier: ISC
# What came, as a digest: the answer to an upload.
printf 'Content-Type: text/plain\r\n\r\n%s %s %s\n' "$REQUEST_METHOD" \
	"$REMOTE_ADDR" "$(sha256sum)"
