/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/unwind/eh_frame.h"

#include <dwarf.h>

#include "userspace/unwind/cursor.h"

struct kind {			/* a common information entry */
	bool valid;
	uint64_t offset;
	struct eh_frame_function function;	/* what it says of all its functions */
	bool has_size;		/* of augmentation data */
};

uint64_t eh_frame__pointer(const struct eh_frame *s, struct cursor *c, uint8_t encoding)
{
	const uint64_t here = s->vaddr + (uint64_t)(c->at - s->data);
	uint64_t value;

	switch (encoding & 0x0f) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		value = cursor__unsigned(c, 8);
		break;
	case DW_EH_PE_udata2:
		value = cursor__unsigned(c, 2);
		break;
	case DW_EH_PE_udata4:
		value = cursor__unsigned(c, 4);
		break;
	case DW_EH_PE_sdata2:
		value = cursor__signed(c, 2);
		break;
	case DW_EH_PE_sdata4:
		value = cursor__signed(c, 4);
		break;
	case DW_EH_PE_uleb128:
		value = cursor__uleb(c);
		break;
	case DW_EH_PE_sleb128:
		value = (uint64_t)cursor__sleb(c);
		break;
	default:
		c->bad = true;
		return 0;
	}
	switch (encoding & 0xf0) {
	case DW_EH_PE_absptr:
		return value;
	case DW_EH_PE_pcrel:
		return here + value;
	}
	c->bad = true;		/* relative to what only the program knows, or through a pointer */
	return 0;
}

/* One letter of the augmentation. @return false: not known */
static bool read_letter(const struct eh_frame *s, struct cursor *c, char letter, struct eh_frame_function *f)
{
	switch (letter) {
	case 'L':
		cursor__unsigned(c, 1);
		return true;
	case 'P': {
		const uint8_t encoding = (uint8_t)cursor__unsigned(c, 1);

		/* The pointer may be indirect: only its size matters. */
		eh_frame__pointer(s, c, encoding & 0x0f);
		return true;
	}
	case 'R':
		f->encoding = (uint8_t)cursor__unsigned(c, 1);
		return true;
	case 'S':
		f->signal = true;
		return true;
	case 'B':		/* AArch64: which key signs return addresses */
	case 'G':		/* AArch64: its stack is tagged */
		return true;
	}
	return false;
}

/* @c behind the entry's own number. @return false: not understood */
static bool read_kind(const struct eh_frame *s, struct cursor c, struct kind *out)
{
	struct eh_frame_function *f = &out->function;
	const uint8_t version = (uint8_t)cursor__unsigned(&c, 1);
	const char *letters = (const char *)c.at;
	const uint8_t *nul;
	uint64_t size;

	memset(f, 0, sizeof(*f));
	if (c.bad || (version != 1 && version != 3))
		return false;
	nul = memchr(c.at, 0, cursor__left(&c));
	if (!nul)
		return false;
	c.at = nul + 1;
	f->code_factor = cursor__uleb(&c);
	f->data_factor = cursor__sleb(&c);
	f->return_column = version == 1 ? cursor__unsigned(&c, 1) : cursor__uleb(&c);
	f->encoding = DW_EH_PE_absptr;
	out->has_size = letters[0] == 'z';
	if (letters[0] && !out->has_size)
		return false;
	if (out->has_size) {
		struct cursor data = c;

		size = cursor__uleb(&c);
		data = c;
		if (!cursor__bytes(&c, size))
			return false;
		data.end = c.at;
		for (letters++; *letters; letters++)
			if (!read_letter(s, &data, *letters, f) || data.bad)
				return false;
	}
	f->initial = c.at;
	f->initial_end = c.end;
	return !c.bad;
}

/* @c at the number that says how far before it the kind is; its end is the entry's. @return false: not understood */
static bool read_function(const struct eh_frame *s, struct cursor c, const struct kind *kind,
			  struct eh_frame_function *out)
{
	uint64_t size;

	*out = kind->function;
	out->start = eh_frame__pointer(s, &c, out->encoding);
	size = eh_frame__pointer(s, &c, out->encoding & 0x0f);
	if (kind->has_size)
		cursor__bytes(&c, cursor__uleb(&c));
	if (c.bad || size == 0 || out->start + size < out->start)
		return false;
	out->end = out->start + size;
	out->program = c.at;
	out->program_end = c.end;
	return true;
}

/* An entry's bytes behind its length. @return false: there is none any more */
static bool next_entry(struct cursor *all, struct cursor *entry, size_t *n_bad)
{
	uint64_t length = cursor__unsigned(all, 4);

	if (length == 0xffffffff)
		length = cursor__unsigned(all, 8);
	if (all->bad || length == 0)
		return false;
	if (length < 4 || length > cursor__left(all)) {
		(*n_bad)++;
		return false;
	}
	*entry = (struct cursor){ all->at, all->at + length, false };
	all->at += length;
	return true;
}

/* The kind that begins `back` bytes before the field that says so. */
static const struct kind *find_kind(const struct eh_frame *s, const uint8_t *field, uint64_t back, struct kind *kind)
{
	const uint64_t at = (uint64_t)(field - s->data);
	struct cursor all, entry;
	size_t n_bad = 0;

	if (back > at)
		return NULL;
	if (kind->valid && kind->offset == at - back)
		return kind;
	kind->valid = false;
	kind->offset = at - back;
	all = (struct cursor){ s->data + kind->offset, s->data + s->size, false };
	if (!next_entry(&all, &entry, &n_bad) || cursor__unsigned(&entry, 4) != 0)
		return NULL;
	kind->valid = read_kind(s, entry, kind);
	return kind->valid ? kind : NULL;
}

int eh_frame__each(const struct eh_frame *s, int (*each)(void *ctx, const struct eh_frame_function *f), void *ctx,
		   size_t *n_bad)
{
	struct cursor all = { s->data, s->data + s->size, false }, entry;
	struct kind kind = { .valid = false };
	int err = 0;

	*n_bad = 0;
	/* A length of 0 ends what one object file brought along; more may follow. */
	while (!err && cursor__left(&all) >= 4) {
		const uint8_t *field;
		const struct kind *of;
		struct eh_frame_function f;
		uint64_t back;

		if (!next_entry(&all, &entry, n_bad)) {
			if (all.bad || *n_bad)
				break;
			continue;
		}
		field = entry.at;
		back = cursor__unsigned(&entry, 4);
		if (back == 0)
			continue;
		of = find_kind(s, field, back, &kind);
		if (of && read_function(s, entry, of, &f))
			err = each(ctx, &f);
		else
			(*n_bad)++;
	}
	return err;
}
