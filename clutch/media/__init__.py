"""Pure algorithms on frames of audio: the Python twin of the media plane, DSP on files and tones.

No trio, sockets or protocol parsing comes in here; the clock is an argument or the frame count.
"""
