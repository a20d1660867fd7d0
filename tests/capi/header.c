/* A public header alone: it includes what it needs and compiles as C99 and as C++17. */
#include DW_TEST_HEADER

int main(void)
{
    return DW_API_VERSION_MAJOR < 0;
}
