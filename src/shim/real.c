/* SPDX-License-Identifier: ISC */
#include "real.h"

#include <dlfcn.h>
#include <stdlib.h>

static const char *const names[SST_REAL_COUNT] = {
#define SST_REAL_NAME(name)	#name,
	SST_REAL_LIST(SST_REAL_NAME)
};

static _Atomic(void *) found[SST_REAL_COUNT];

void *
sst_real(unsigned number)
{
	void *at = atomic_load_explicit(&found[number], memory_order_acquire);

	if (at != NULL)
		return at;
	at = dlsym(RTLD_NEXT, names[number]);
	if (at == NULL)
		abort();
	atomic_store_explicit(&found[number], at, memory_order_release);
	return at;
}

static void __attribute__((constructor))
look_up(void)
{
	for (unsigned i = 0; i < SST_REAL_COUNT; i++)
		(void)sst_real(i);
}
