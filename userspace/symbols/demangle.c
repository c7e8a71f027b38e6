/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/symbols/demangle.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdbool.h>
#include <string.h>

/*
 * With DMGL_NO_RECURSE_LIMIT the library takes stack in proportion to the name (d_demangle_callback in cp-demangle.c);
 * without it, nothing over 1,024 characters, which templates reach.
 */
#define MAX_MANGLED 4096

struct output {
	char *text;
	size_t n;
	jmp_buf full;
};

/* Both demanglers work on the stack; what Rust's has allocated for a name beyond ASCII is lost with the process that reads symbols. */
static void append(const char *text, size_t n, void *opaque)
{
	struct output *o = opaque;
	size_t room = SYMBOL_NAME_SIZE - 1 - o->n;

	memcpy(o->text + o->n, text, n < room ? n : room);
	o->n += n < room ? n : room;
	if (n > room)
		longjmp(o->full, 1);
}

static bool demangle_to(struct output *o, const char *name, bool rust)
{
	const int options = DMGL_PARAMS | DMGL_ANSI | DMGL_NO_RECURSE_LIMIT;

	o->n = 0;
	if (setjmp(o->full))
		return true;
	return (rust ? rust_demangle_callback(name, options, append, o) :
		       cplus_demangle_v3_callback(name, options, append, o)) != 0;
}

void demangle__clean(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

static void finish(char *out, size_t n, bool cut)
{
	if (cut) {
		/* Not in the middle of a character. */
		for (n = SYMBOL_NAME_SIZE - 4; n > 0 && ((unsigned char)out[n] & 0xc0) == 0x80; n--)
			;
		memcpy(out + n, "...", 3);
		n += 3;
	}
	out[n] = 0;
	demangle__clean(out);
}

void demangle(const char *name, char out[SYMBOL_NAME_SIZE])
{
	struct output o = { .text = out };
	size_t length = strnlen(name, MAX_MANGLED + 1);

	/* Rust first: its legacy names are valid C++ ones too, with a hash as the last component. */
	if (name[0] == '_' && length <= MAX_MANGLED && (demangle_to(&o, name, true) || demangle_to(&o, name, false))) {
		finish(out, o.n, o.n == SYMBOL_NAME_SIZE - 1);
		return;
	}
	o.n = length < SYMBOL_NAME_SIZE ? length : SYMBOL_NAME_SIZE - 1;
	memcpy(out, name, o.n);
	finish(out, o.n, length >= SYMBOL_NAME_SIZE);
}
