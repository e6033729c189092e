/* SPDX-License-Identifier: ISC */
#include "context.h"

SSL_CTX *
sst_context(_Atomic(SSL_CTX *) *slot, const SSL_METHOD *method, void (*ready)(SSL_CTX *))
{
	SSL_CTX *ctx = atomic_load(slot), *other = NULL;

	if (ctx != NULL || (ctx = SSL_CTX_new(method)) == NULL)
		return ctx;
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	ready(ctx);
	if (!atomic_compare_exchange_strong(slot, &other, ctx)) {
		SSL_CTX_free(ctx);
		ctx = other;
	}
	return ctx;
}
