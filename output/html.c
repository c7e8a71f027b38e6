/* SPDX-License-Identifier: Apache-2.0 */
#include "output/html.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "output/utf8.h"
#include "userspace/embedded.h"

#define MAX_FORMATTED 1024
#define DIGEST_TEXT 64	/* base64 of 32 bytes has 44 characters */

/* Unicode 15, section 23.2: embeddings, overrides and isolates, and the marks without a width. */
static bool changes_direction(uint32_t code_point)
{
	return (code_point >= 0x202a && code_point <= 0x202e) || (code_point >= 0x2066 && code_point <= 0x2069) ||
	       code_point == 0x200e || code_point == 0x200f || code_point == 0x061c;
}

static bool is_control(uint32_t code_point)
{
	return code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0);
}

/* XML has no way to write U+FFFE and U+FFFF. */
static bool is_noncharacter(uint32_t code_point)
{
	return (code_point & 0xfffe) == 0xfffe;
}

static const char *reference_of(uint32_t code_point)
{
	switch (code_point) {
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '&':
		return "&amp;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

void html__bytes(FILE *f, const char *text, size_t n)
{
	while (n > 0) {
		uint32_t code_point;
		const size_t used = utf8__decode(text, n, &code_point);
		const char *reference = reference_of(code_point);

		if (reference)
			fputs(reference, f);
		else if (is_control(code_point))
			putc('?', f);
		else if (code_point == UTF8_REPLACEMENT || changes_direction(code_point) || is_noncharacter(code_point))
			fputs(UTF8_REPLACEMENT_BYTES, f);
		else
			fwrite(text, 1, used, f);
		text += used;
		n -= used;
	}
}

void html__text(FILE *f, const char *text)
{
	if (text)
		html__bytes(f, text, strlen(text));
}

void html__format(FILE *f, const char *format, ...)
{
	char text[MAX_FORMATTED];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	html__text(f, text);
}

void html__foreign(FILE *f, const char *text)
{
	fputs("<bdi>", f);
	html__text(f, text);
	fputs("</bdi>", f);
}

static const struct embedded_file *find_page(const char *name)
{
	for (size_t i = 0; embedded_pages[i].name; i++)
		if (strcmp(embedded_pages[i].name, name) == 0)
			return &embedded_pages[i];
	return NULL;
}

int html__embed(FILE *f, const char *element, const char *name)
{
	const struct embedded_file *file = find_page(name);

	if (!file)
		return -ENOENT;
	fprintf(f, "<%s>", element);
	fwrite(file->data, 1, file->size, f);
	fprintf(f, "</%s>\n", element);
	return 0;
}

static int put_digest(FILE *f, const char *name)
{
	const struct embedded_file *file = find_page(name);
	unsigned char sum[EVP_MAX_MD_SIZE], text[DIGEST_TEXT];
	unsigned int n = 0;

	if (!file)
		return -ENOENT;
	if (EVP_Digest(file->data, file->size, sum, &n, EVP_sha256(), NULL) != 1)
		return -ENOMEM;
	EVP_EncodeBlock(text, sum, (int)n);
	fprintf(f, " &#39;sha256-%s&#39;", (const char *)text);
	return 0;
}

int html__policy(FILE *f, const char *const *styles, const char *const *scripts)
{
	int err = 0;

	fputs("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src &#39;none&#39;; base-uri "
	      "&#39;none&#39;; "
	      "form-action &#39;none&#39;; style-src",
	      f);
	for (; *styles && !err; styles++)
		err = put_digest(f, *styles);
	fputs("; script-src", f);
	for (; *scripts && !err; scripts++)
		err = put_digest(f, *scripts);
	fputs("\">\n", f);
	return err;
}
