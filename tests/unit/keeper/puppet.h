/* SPDX-License-Identifier: ISC */
#ifndef TESTS_KEEPER_PUPPET_H
#define TESTS_KEEPER_PUPPET_H

#define PUPPET_AHEAD	"PUPPET_AHEAD"	/* names a file: an int64_t */

enum {
	PUPPET_EXIT = 200,	/* ends with status a */
	PUPPET_NEXT,		/* the reply is the keeper's next message */
	PUPPET_FLOOD		/* id, data: asks about the link until an answer does not
				   come, and takes them only then: a: questions, b:
				   answers */
};

#endif
