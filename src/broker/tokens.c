/* SPDX-License-Identifier: MIT
 *
 * Tokens: what names one handing out to whoever has it (D2).
 *
 * 32 hexadecimal digits: four bytes that name the slot of the item, and twelve of the system's
 * random ones, new each time. So a token finds its item at a constant cost, and who has not got it
 * cannot guess it, though he may guess the slot. */
#include <errno.h>
#include <sys/random.h>

#include "base/assert.h"
#include "broker/broker_priv.h"

enum { SLOT_SIZE = 4, TOKEN_BYTES = SLOT_SIZE + NONCE_SIZE };
_Static_assert(TOKEN_BYTES * 2 == WORK_TOKEN_SIZE, "two digits a byte");

static void refill(struct dice *dice)
{
    size_t have = 0;
    while (have < sizeof dice->bytes) {
        ssize_t got = getrandom(dice->bytes + have, sizeof dice->bytes - have, 0);
        assert_that(got > 0 || errno == EINTR);
        have += got > 0 ? (size_t)got : 0;
    }
    dice->left = sizeof dice->bytes;
}

static void throw(struct broker * broker, void *ret, size_t size)
{
    struct dice *dice = &broker->dice;
    if (dice->left < size) {
        refill(dice);
    }
    dice->left -= size;
    memcpy(ret, dice->bytes + dice->left, size);
    memset(dice->bytes + dice->left, 0, size); /* what is out is nowhere else */
}

uint64_t dice_next(struct broker *broker)
{
    uint64_t number;
    throw(broker, &number, sizeof number);
    return number;
}

void token_write(const struct item *item, char ret[WORK_TOKEN_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[TOKEN_BYTES];
    for (size_t i = 0; i < SLOT_SIZE; i++) {
        bytes[i] = (uint8_t)(item->slot >> (8 * i));
    }
    memcpy(bytes + SLOT_SIZE, item->nonce, NONCE_SIZE);
    for (size_t i = 0; i < TOKEN_BYTES; i++) {
        ret[2 * i] = digits[bytes[i] >> 4];
        ret[2 * i + 1] = digits[bytes[i] & 15];
    }
}

void token_make(struct broker *broker, struct item *item, char ret[WORK_TOKEN_SIZE])
{
    throw(broker, item->nonce, NONCE_SIZE);
    item->has_token = true;
    token_write(item, ret);
}

/* Of a digit its value; of any other character more than 15. Without a branch, as which digit comes
 * next cannot be foretold. */
static unsigned digit(char c)
{
    unsigned number = (unsigned)(uint8_t)c - '0', letter = (unsigned)(uint8_t)c - 'a';
    unsigned of_number = number | (0U - (number > 9));
    unsigned of_letter = (letter + 10) | (0U - (letter > 5));
    return of_number & of_letter;
}

static bool parse(struct text token, uint8_t ret[TOKEN_BYTES])
{
    unsigned all = 0;
    if (token.size != WORK_TOKEN_SIZE) {
        return false;
    }
    for (size_t i = 0; i < TOKEN_BYTES; i++) {
        unsigned high = digit(token.at[2 * i]), low = digit(token.at[2 * i + 1]);
        all |= high | low;
        ret[i] = (uint8_t)(high << 4 | low);
    }
    return all <= 15;
}

/* The same time whatever differs. */
static bool is_same(const uint8_t *a, const uint8_t *b)
{
    unsigned differs = 0;
    for (size_t i = 0; i < NONCE_SIZE; i++) {
        differs |= (unsigned)(a[i] ^ b[i]);
    }
    return differs == 0;
}

struct item *token_find(struct broker *broker, struct text token)
{
    uint8_t bytes[TOKEN_BYTES];
    if (!parse(token, bytes)) {
        return NULL;
    }
    uint32_t slot = 0;
    for (size_t i = 0; i < SLOT_SIZE; i++) {
        slot |= (uint32_t)bytes[i] << (8 * i);
    }
    struct item *item = slot < broker->slots.count ? broker->slots.items[slot] : NULL;
    return item != NULL && item->has_token && is_same(item->nonce, bytes + SLOT_SIZE) ? item : NULL;
}
