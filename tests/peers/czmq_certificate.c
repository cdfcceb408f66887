/* CZMQ's side of tests/certificates.rs.
 *   write PATH     makes a certificate with metadata at PATH and PATH_secret
 *   public PATH    makes only the public certificate, as CZMQ does for a key whose secret it does not have
 *   read PATH      prints public key, secret key and the metadata "name" as zcert_load finds them
 */
#include <czmq.h>

static void describe(zcert_t *certificate)
{
    zcert_set_meta(certificate, "name", "%s", "Alice # 1");
    zcert_set_meta(certificate, "email", "%s", "alice@example.org");
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    if (streq(argv[1], "write")) {
        zcert_t *certificate = zcert_new();
        describe(certificate);
        int rc = zcert_save(certificate, argv[2]);
        puts(zcert_public_txt(certificate));
        zcert_destroy(&certificate);
        return rc == 0 ? 0 : 1;
    }
    if (streq(argv[1], "public")) {
        zcert_t *whole = zcert_new();
        byte zeros[32] = {0};
        zcert_t *certificate = zcert_new_from(zcert_public_key(whole), zeros);
        describe(certificate);
        int rc = zcert_save(certificate, argv[2]);
        puts(zcert_public_txt(certificate));
        zcert_destroy(&certificate);
        zcert_destroy(&whole);
        return rc == 0 ? 0 : 1;
    }
    zcert_t *certificate = zcert_load(argv[2]);
    if (!certificate)
        return 1;
    const char *name = zcert_meta(certificate, "name");
    printf("%s\n%s\n%s\n", zcert_public_txt(certificate), zcert_secret_txt(certificate), name ? name : "");
    zcert_destroy(&certificate);
    return 0;
}
