/* SPDX-License-Identifier: ISC */
#include "starve.h"

#include <openssl/crypto.h>
#include <stdlib.h>

static _Thread_local struct {
	long		 left;	/* allocations until one fails; 0: none does */
	unsigned int	 parts;
	int		 fired;
} armed;

void
starve_arm(long n, unsigned int parts)
{
	armed.left = n;
	armed.parts = parts;
	armed.fired = 0;
}

int
starve_fired(void)
{
	return armed.fired;
}

int
starve_over(void)
{
	armed.left = 0;
	return armed.fired;
}

int
starve_fails(enum starve_part part)
{
	if (armed.left == 0 || (armed.parts & part) == 0 || --armed.left > 0)
		return 0;
	armed.fired = 1;
	return 1;
}

/* The linker puts these in front of libc's in what is linked here (--wrap). */
void	*__real_malloc(size_t);
void	*__real_calloc(size_t, size_t);
void	*__real_realloc(void *, size_t);
char	*__real_strdup(const char *);
void	*__wrap_malloc(size_t);
void	*__wrap_calloc(size_t, size_t);
void	*__wrap_realloc(void *, size_t);
char	*__wrap_strdup(const char *);

void *
__wrap_malloc(size_t n)
{
	return starve_fails(STARVE_OURS) ? NULL : __real_malloc(n);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return starve_fails(STARVE_OURS) ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *p, size_t n)
{
	return starve_fails(STARVE_OURS) ? NULL : __real_realloc(p, n);
}

char *
__wrap_strdup(const char *text)
{
	return starve_fails(STARVE_OURS) ? NULL : __real_strdup(text);
}

static void *
crypto_malloc(size_t n, const char *file, int line)
{
	(void)file, (void)line;
	return starve_fails(STARVE_CRYPTO) ? NULL : __real_malloc(n);
}

static void *
crypto_realloc(void *p, size_t n, const char *file, int line)
{
	(void)file, (void)line;
	return starve_fails(STARVE_CRYPTO) ? NULL : __real_realloc(p, n);
}

static void
crypto_free(void *p, const char *file, int line)
{
	(void)file, (void)line;
	free(p);
}

int
starve_crypto(void)
{
	return CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) == 1;
}
