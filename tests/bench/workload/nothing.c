// The least that can be run.

int main(void) {
    return 0;
}
