/* SPDX-License-Identifier: ISC */
/*
 * no_loader - stands where a program names its loader, and loads nothing.
 *
 * Without a C library: it begins with another program's stack and headers.
 */
void	_start(void);

void
_start(void)
{
	for (;;) {
#if defined(__x86_64__)
		long call = 34;		/* pause() */

		__asm__ volatile("syscall" : "+a"(call) : : "rcx", "r11", "memory");
#else
		__asm__ volatile("" : : : "memory");
#endif
	}
}
