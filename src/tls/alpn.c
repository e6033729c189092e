/* SPDX-License-Identifier: ISC */
#include "alpn.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "conf.h"

#define WIRE_MAX 65535	/* RFC 7301 3.1 */

int
sst_alpn_encode(const char *list, uint8_t **ret_wire, size_t *ret_len,
    struct sst_error *err)
{
	const size_t len = strlen(list) + 1;	/* each comma is a length byte */
	uint8_t *wire;
	size_t used = 0;
	size_t n;

	if (len > WIRE_MAX)
		return sst_fail(err, SST_E_USAGE, "an ALPN list of %zu bytes", len);
	wire = malloc(len);
	if (wire == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	for (;;) {
		n = strcspn(list, ",");
		if (n == 0 || n > 255) {
			free(wire);
			return sst_fail(err, SST_E_USAGE, n == 0 ?
			    "an ALPN list with an empty protocol" :
			    "an ALPN protocol of more than 255 bytes");
		}
		wire[used++] = (uint8_t)n;
		memcpy(wire + used, list, n);
		used += n;
		if (list[n] == '\0')
			break;
		list += n + 1;
	}
	*ret_wire = wire;
	*ret_len = used;
	return SST_OK;
}

const uint8_t *
sst_alpn_pick(const uint8_t *ours, size_t ours_len, const uint8_t *theirs,
    size_t theirs_len, uint8_t *ret_len)
{
	for (size_t i = 0; i < ours_len; i += ours[i] + 1u)
		for (size_t k = 0; k < theirs_len &&
		    theirs[k] < theirs_len - k; k += theirs[k] + 1u)
			if (ours[i] == theirs[k] &&
			    memcmp(ours + i + 1, theirs + k + 1, ours[i]) == 0) {
				*ret_len = ours[i];
				return ours + i + 1;
			}
	return NULL;
}

int
sst_tls_alpn_check(const char *list, struct sst_error *err)
{
	uint8_t *wire = NULL;
	size_t len;
	int rc;

	rc = sst_alpn_encode(list, &wire, &len, err);
	free(wire);
	return rc;
}
