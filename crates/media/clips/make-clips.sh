#!/bin/sh
# Makes the Opus clips that the softphones speak. Needs espeak-ng, ffmpeg and opus-tools (Debian packages of those names).
# The output is checked in, so nobody needs to run this to build racegate; another encoder version gives other bytes.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# clip NAME VOICE SPEED TEXT: `_` in the text is a pause of 0.7 s, in which variable bit rate falls to a few bytes a frame.
clip() {
    name=$1 voice=$2 speed=$3 text=$4
    ssml="<speak>$(printf %s "$text" | sed 's|_|<break time="700ms"/>|g')</speak>"
    espeak-ng -m -v "$voice" -s "$speed" -w "$work/$name.wav" "$ssml"
    # Pauses are digital silence, so variable bit rate makes their frames tiny: sizes vary as they do with DTX.
    ffmpeg -v error -y -i "$work/$name.wav" -af "aresample=48000,volume=0.8,apad=pad_dur=0.4" -ac 1 "$work/$name.48k.wav"
    opusenc --quiet --bitrate 24 --vbr --speech --framesize 20 --comp 10 --serial 1 --padding 0 \
        --discard-comments --discard-pictures "$work/$name.48k.wav" "$name.opus"
}

clip agent-greeting en-us 150 "Thank you for calling. _ This call may be recorded for quality and compliance purposes. _ How can I help you today?"
clip customer-order en-gb 165 "Hello, yes. _ I am calling about order four seven one nine. _ It should have arrived on Tuesday, _ and it has not."
clip agent-hold en-us+f3 155 "Let me look that up for you. _ _ One moment please. _ I can see the parcel left our warehouse on Monday."
clip customer-dispute en-gb+m3 160 "I have told your colleague already. _ I want this matter to be kept on file, _ because my lawyer will ask for the recording."
clip numbers en+f2 140 "One. _ Two. _ Three. _ Four. _ Five. _ Six. _ Seven. _ Eight."
clip agent-closing en-us+m1 150 "Is there anything else that I can do for you? _ _ Then thank you for your patience, _ and have a good day."

# The same speech in frames of other lengths, for callers that do not keep to 20 ms.
for length in 10 40 60; do
    ffmpeg -v error -y -i numbers.opus -t 3 -ar 48000 -ac 1 "$work/numbers.wav"
    opusenc --quiet --bitrate 24 --framesize "$length" --discard-comments "$work/numbers.wav" "frames-${length}ms.opus"
done
