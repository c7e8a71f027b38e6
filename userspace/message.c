/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/message.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "output/utf8.h"
#include "userspace/terminal.h"

#define MAX_MESSAGE 2048

static const char *command_name;
static int verbosity;
static bool quiet;

void message__set_command(const char *name)
{
	command_name = name;
}

void message__more_verbose(void)
{
	verbosity++;
}

void message__set_quiet(bool on)
{
	quiet = on;
}

int message__verbosity(void)
{
	return verbosity;
}

bool message__is_quiet(void)
{
	return quiet;
}

static bool ends_sentence(const char *text)
{
	size_t n = strlen(text);

	return n > 0 && strchr(".?!:", text[n - 1]);
}

static void print(const char *label, const char *color, const char *remedy, const char *format, va_list args)
	__attribute__((format(printf, 4, 0)));

static void print(const char *label, const char *color, const char *remedy, const char *format, va_list args)
{
	bool colored = color && terminal__has_color(stderr);
	char raw[MAX_MESSAGE], text[MAX_MESSAGE];

	vsnprintf(raw, sizeof(raw), format, args);
	/* A file name with an escape sequence in it must not reach the user's terminal as one. */
	utf8__defuse(text, sizeof(text), raw, strlen(raw));
	/* Results that were printed before the message are to be seen before it. */
	fflush(stdout);
	flockfile(stderr);
	fprintf(stderr, "%stokprof%s%s:%s %s%s", colored ? color : "", command_name ? " " : "",
		command_name ? command_name : "", colored ? "\033[0m" : "", label, text);
	if (remedy)
		fprintf(stderr, "%s Remedy: %s%s", ends_sentence(text) ? "" : ".", remedy,
			ends_sentence(remedy) ? "" : ".");
	fputc('\n', stderr);
	funlockfile(stderr);
}

void message__error(const char *remedy, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print("", "\033[31;1m", remedy, format, args);
	va_end(args);
}

void message__warn(const char *remedy, const char *format, ...)
{
	va_list args;

	if (quiet)
		return;
	va_start(args, format);
	print("warning: ", "\033[33m", remedy, format, args);
	va_end(args);
}

void message__info(const char *format, ...)
{
	va_list args;

	if (quiet)
		return;
	va_start(args, format);
	print("", NULL, NULL, format, args);
	va_end(args);
}

void message__detail(int at_verbosity, const char *format, ...)
{
	va_list args;

	if (verbosity < at_verbosity)
		return;
	va_start(args, format);
	print("", NULL, NULL, format, args);
	va_end(args);
}
