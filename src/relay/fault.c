/* SPDX-License-Identifier: ISC */
#include "fault.h"

#include <errno.h>

int
sst_fault_call(const struct sst_error *err)
{
	if (err->sys_errno != 0)
		return err->sys_errno;
	switch (err->code) {
	case SST_E_NOMEM:
		return ENOMEM;
	case SST_E_USAGE:
	case SST_E_MALFORMED:
	case SST_E_LIMIT:
	case SST_E_STATE:
		return EINVAL;
	case SST_E_NOT_FOUND:
		return ENOENT;
	case SST_E_UNSUPPORTED:
		return EOPNOTSUPP;
	case SST_E_TIMEOUT:
		return ETIMEDOUT;
	case SST_E_INTERNAL:
		return EIO;
	default:	/* a mismatch, a refusal, an alert */
		return EPROTO;
	}
}

int
sst_fault_handshake(const struct sst_error *err)
{
	switch (err->code) {
	case SST_E_NOMEM:
		return ENOMEM;
	case SST_E_TIMEOUT:
		return ETIMEDOUT;
	case SST_E_PEER:	/* silence or a reset */
		return ECONNABORTED;
	case SST_E_SYSTEM:
		return err->sys_errno == ETIMEDOUT || err->sys_errno == EHOSTUNREACH ||
		    err->sys_errno == ENETUNREACH ? err->sys_errno : ECONNABORTED;
	default:
		return EPROTO;
	}
}
