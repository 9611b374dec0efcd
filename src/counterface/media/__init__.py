"""The only place with codecs and BGR: images, videos, sound, and the sandbox that opens them."""
