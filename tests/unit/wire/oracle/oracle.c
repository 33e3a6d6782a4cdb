/* SPDX-License-Identifier: MIT
 *
 * The helper of test_wire_oracle.sh: our side of each comparison with protoc.
 *
 *   oracle list            the names of the samples
 *   oracle encode NAME     writes the sample's HistoryChunk to stdout
 *   oracle decode NAME     reads a HistoryChunk from stdin; fails unless it is the sample
 */
#include "../samples.h"

#include <stdio.h>

static int list(void)
{
    for (size_t i = 0; i < sample_count; i++) {
        puts(samples[i].name);
    }
    return 0;
}

static int encode(const struct sample *sample)
{
    struct buffer buffer;
    buffer_init(&buffer);
    wire_write_event(&buffer, &sample->event);
    size_t written = fwrite(buffer.at, 1, buffer.size, stdout);
    int result = written == buffer.size ? 0 : 1;
    buffer_done(&buffer);
    return result;
}

static int decode(const struct sample *sample)
{
    char bytes[4096];
    size_t size = fread(bytes, 1, sizeof(bytes), stdin);
    struct arena arena;
    arena_init(&arena);
    struct wire_events events = { NULL, 0, 0 };
    pd_error err;
    int result = 0;
    if (wire_read_events(text_make(bytes, size), &arena, &events, &err) != PD_OK) {
        fprintf(stderr, "%s: %s\n", sample->name, err.text);
        result = 1;
    } else if (events.count != 1 || !sample_is_same(&events.at[0], &sample->event)) {
        fprintf(stderr, "%s: what protoc wrote reads as another event\n", sample->name);
        result = 1;
    }
    arena_done(&arena);
    return result;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        return list();
    }
    const struct sample *sample = argc == 3 ? sample_find(argv[2]) : NULL;
    if (sample == NULL) {
        fprintf(stderr, "usage: oracle list | encode NAME | decode NAME\n");
        return 2;
    }
    return strcmp(argv[1], "encode") == 0 ? encode(sample) : decode(sample);
}
